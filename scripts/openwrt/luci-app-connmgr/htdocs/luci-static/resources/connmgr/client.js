'use strict';
'require baseclass';
'require rpc';
'require ui';

// What the views of connmgr share: the calls of its rpcd plugin, and elements that show text.

// element(TAG, ATTRIBUTES, CHILDREN): an element of LuCI's E(), which takes a string for HTML unless it is in an
// array. Strings here come from the network, so every child is put into one. Null is no child; E() would show the word.
function element(tag, attributes, children) {
	return E(tag, attributes || {}, [].concat(children).filter((child) => child !== null));
}

// The plugin answers with a member `error` where it fails.
function declare(method, params) {
	const call = rpc.declare({ object: 'connmgr', method: method, params: params, expect: { '': {} }, reject: true });
	return (...values) => call(...values).then((reply) => {
		if (reply.error)
			throw Object.assign(new Error(reply.error), { reply: reply });
		return reply;
	});
}

function seconds(value) {
	if (value === null || value === undefined)
		return '-';
	const whole = Math.round(value);
	if (whole < 120)
		return _('%d s').format(whole);
	if (whole < 7200)
		return _('%d min').format(Math.floor(whole / 60));
	if (whole < 172800)
		return _('%d h %d min').format(Math.floor(whole / 3600), Math.floor(whole % 3600 / 60));
	return _('%d days').format(Math.floor(whole / 86400));
}

return baseclass.extend({
	status: declare('status'),
	events: declare('events', [ 'last' ]),
	reload: declare('reload'),
	getWhitelist: declare('get_whitelist'),
	checkWhitelist: declare('check_whitelist', [ 'text' ]),
	setWhitelist: declare('set_whitelist', [ 'text', 'sum' ]),
	unlock: declare('unlock'),
	start: declare('start'),

	element: element,
	seconds: seconds,

	// replace(NODE, CHILDREN): shows these instead of what the node shows.
	replace: function(node, children) {
		node.replaceChildren(...children.filter((child) => child !== null));
	},

	// notify(LINES, KIND): kind is 'info', 'warning' or 'danger'.
	notify: function(lines, kind) {
		ui.addNotification(null, element('div', {}, lines.map((line) => element('p', {}, line))), kind || 'info');
	},

	fail: function(error) {
		this.notify([ _('connmgr: %s').format(error.message) ], 'danger');
	},

	// table(HEADINGS, ROWS, EMPTY): on a phone LuCI shows the cells of a row below one another, each with its heading.
	table: function(headings, rows, empty) {
		const row = (cells) => element('tr', { 'class': 'tr' }, cells.map((cell, i) => element('td', {
			'class': 'td left', 'data-title': headings[i], 'style': 'overflow-wrap:anywhere'
		}, cell)));
		return element('table', { 'class': 'table' }, [
			element('tr', { 'class': 'tr table-titles' }, headings.map((heading) =>
				element('th', { 'class': 'th left' }, heading))),
			...rows.map(row),
			...(rows.length ? [] : [ element('tr', { 'class': 'tr placeholder' }, element('td', { 'class': 'td' }, element('em', {}, empty))) ])
		]);
	},

	// pairs(ROWS): a table of names and values.
	pairs: function(rows) {
		return element('table', { 'class': 'table' }, rows.map((row) => element('tr', { 'class': 'tr' }, [
			element('td', { 'class': 'td left', 'width': '33%' }, element('strong', {}, row[0])),
			element('td', { 'class': 'td left', 'style': 'overflow-wrap:anywhere' }, row[1])
		])));
	},

	// confirm(TITLE, LINES, LABEL, ACTION): ACTION runs only after the button LABEL. The title is no data.
	confirm: function(title, lines, label, action) {
		ui.showModal(title, [
			...lines.map((line) => element('p', {}, line)),
			element('div', { 'class': 'right' }, [
				element('button', { 'class': 'btn', 'click': ui.hideModal }, _('Cancel')),
				' ',
				element('button', { 'class': 'btn cbi-button-negative', 'id': 'connmgr-confirm', 'click': ui.createHandlerFn(this, () =>
					action().finally(ui.hideModal)) }, label)
			])
		]);
	}
});
