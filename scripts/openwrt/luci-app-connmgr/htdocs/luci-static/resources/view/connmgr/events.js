'use strict';
'require view';
'require poll';
'require connmgr.client as connmgr';

const el = connmgr.element;

// As many as a poll asks for, and as the page shows.
const polled = 50, shown = 300;
const levels = [ 'error', 'warning', 'info', 'debug' ];

return view.extend({
	load: function() {
		return connmgr.events(200).catch((error) => error);
	},

	render: function(reply) {
		this.events = [];
		this.alarm = el('div', {}, []);
		this.list = el('div', { 'id': 'connmgr-events' }, []);
		this.level = el('select', { 'class': 'cbi-input-select', 'id': 'connmgr-level', 'change': () => this.show() },
			levels.map((level) => el('option', { 'value': level, 'selected': level === 'info' ? '' : null }, level)));
		this.paused = el('input', { 'type': 'checkbox', 'id': 'connmgr-paused' }, []);
		this.take(reply);
		poll.add(() => this.refresh(), 3);
		return el('div', {}, [
			el('h2', {}, _('Events')),
			el('p', {}, [
				el('label', {}, [ _('Show from level'), ' ', this.level ]), ' ',
				el('label', {}, [ this.paused, ' ', _('Pause') ])
			]),
			this.alarm, this.list
		]);
	},

	refresh: function() {
		if (this.paused.checked)
			return Promise.resolve();
		return connmgr.events(polled).catch((error) => error).then((reply) => this.take(reply));
	},

	// Adds what is new. Numbers count from 1 at the daemon's start. An event that happens again keeps its number and
	// gets another time.
	take: function(reply) {
		if (reply instanceof Error) {
			connmgr.replace(this.alarm, [ el('div', { 'class': 'alert-message danger' }, _('connmgr: %s').format(reply.message)) ]);
			return;
		}
		connmgr.replace(this.alarm, []);
		const news = reply.events;
		const newest = news.length ? news[news.length - 1].number : 0;
		const last = this.events.length ? this.events[this.events.length - 1].number : 0;
		if (newest < last)
			this.events = [];
		else if (news.length)
			this.events = this.events.filter((event) => event.number < news[0].number);
		this.events = this.events.concat(news).slice(-shown);
		this.show();
	},

	show: function() {
		const least = levels.indexOf(this.level.value);
		const rows = this.events.filter((event) => levels.indexOf(event.level) <= least).reverse();
		connmgr.replace(this.list, [ connmgr.table([ _('Time'), _('Kind'), _('What') ], rows.map((event) => [
			new Date(event.time).toLocaleString(),
			event.level === 'info' ? event.kind : event.kind + ', ' + event.level,
			event.times > 1 ? _('%s (%d times)').format(event.text, event.times) : event.text
		]), _('There are no events.')) ]);
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
