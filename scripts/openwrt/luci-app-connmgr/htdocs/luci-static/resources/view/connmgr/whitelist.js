'use strict';
'require view';
'require ui';
'require connmgr.client as connmgr';

const el = connmgr.element;

// How long the user has to pause before the text is checked, in milliseconds.
const pause = 800;

return view.extend({
	load: function() {
		return connmgr.getWhitelist().catch((error) => error);
	},

	render: function(file) {
		if (file instanceof Error)
			return el('div', { 'class': 'alert-message danger' }, _('connmgr: %s').format(file.message));
		// The browser shows bytes that are no UTF-8 as U+FFFD; to save it would change the file.
		const mayWrite = L.hasViewPermission() && file.text.indexOf('\ufffd') < 0;
		this.sum = file.sum;
		this.remarks = el('div', { 'id': 'connmgr-remarks', 'aria-live': 'polite' }, []);
		this.text = el('textarea', {
			'id': 'connmgr-text', 'rows': 20, 'wrap': 'off', 'spellcheck': 'false', 'autocapitalize': 'off', 'autocomplete': 'off',
			'style': 'width:100%;box-sizing:border-box;font-family:monospace', 'readonly': mayWrite ? null : '',
			'input': () => this.later()
		}, []);
		this.text.value = file.text;
		this.check();
		return el('div', {}, [
			el('h2', {}, _('Whitelist')),
			el('p', {}, _('One entry a line: a name, a name with one * in its left-most label, an address, or a prefix. What is behind # is a comment. The device reaches nothing else.')),
			mayWrite || !L.hasViewPermission() ? null : el('div', { 'class': 'alert-message warning' }, _('The file has bytes that are no UTF-8: edit it on the device.')),
			this.text, this.remarks,
			el('div', { 'class': 'cbi-page-actions' }, [
				el('button', { 'class': 'btn cbi-button-neutral', 'click': ui.createHandlerFn(this, () => this.check()) }, _('Check')), ' ',
				el('button', { 'id': 'connmgr-save', 'class': 'btn cbi-button-positive', 'disabled': mayWrite ? null : '',
					'click': ui.createHandlerFn(this, () => this.save()) }, _('Save and reload'))
			])
		]);
	},

	later: function() {
		clearTimeout(this.timer);
		this.timer = setTimeout(() => this.check(), pause);
	},

	check: function() {
		clearTimeout(this.timer);
		const text = this.text.value;
		return connmgr.checkWhitelist(text).then((reply) => {
			// An answer about an earlier text is none.
			if (text === this.text.value)
				this.show(reply);
		}).catch((error) => connmgr.replace(this.remarks, [ el('div', { 'class': 'alert-message danger' }, _('connmgr: %s').format(error.message)) ]));
	},

	show: function(reply) {
		connmgr.replace(this.remarks, [
			reply.valid ? el('p', {}, _('No errors.')) : null,
			...reply.remarks.map((remark) => el('div', { 'class': 'alert-message ' + (remark.level === 'error' ? 'danger' : 'warning') }, [
				remark.line ? el('a', { 'href': '#', 'style': 'color:inherit;text-decoration:underline', 'click': (event) => { event.preventDefault(); this.select(remark.line); } }, _('Line %d').format(remark.line)) : null,
				remark.line ? ': ' : '', remark.text
			])),
			reply.more ? el('p', {}, _('There are %d more remarks.').format(reply.more)) : null
		]);
	},

	select: function(line) {
		const lines = this.text.value.split('\n');
		const start = lines.slice(0, line - 1).reduce((sum, other) => sum + other.length + 1, 0);
		this.text.focus();
		this.text.setSelectionRange(start, start + (lines[line - 1] || '').length);
		this.text.scrollTop = (line - 3) * this.text.scrollHeight / lines.length;
	},

	save: function() {
		return connmgr.setWhitelist(this.text.value, this.sum).then((reply) => {
			this.sum = reply.sum;
			this.show(reply);
			if (!reply.saved)
				connmgr.notify([ _('The whitelist has errors and is not saved.') ], 'danger');
			else if (reply.reload.error)
				connmgr.notify([ _('The whitelist is saved, but connmgr does not run: %s').format(reply.reload.error) ], 'warning');
			else
				connmgr.notify([ _('The whitelist is saved.'), ...reply.reload.said ], reply.reload.done ? 'info' : 'danger');
		}).catch((error) => connmgr.fail(error));
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
