'use strict';
'require view';
'require poll';
'require ui';
'require connmgr.client as connmgr';

const el = connmgr.element;

function words(values) {
	return values.filter((value) => value !== null && value !== undefined && value !== '').join(', ');
}

// What the user should know before all else.
function warnings(status) {
	const firewall = status.firewall || {};
	return [
		status.locked_by_earlier_start ? _('An earlier start has locked the device, and connmgr now runs without a firewall: nothing opens addresses of the cloud.') : null,
		firewall.audit ? _('Audit mode: nothing is dropped. It is for the making of a whitelist.') : null,
		status.firewall && !firewall.locked && !firewall.audit ? _('The lockdown is not in force.') : null,
		firewall.mark_overwritten ? _('Another program\'s rules overwrite the firewall mark of connmgr\'s packets.') : null,
		firewall.firewall_user_status != null ? _('firewall.user failed with status %d: the device is locked without it.').format(firewall.firewall_user_status) : null,
		status.switch === 'failed' ? _('Switching failed: %s').format(status.switch_failure) : null,
		...(firewall.local_drops || []).map((drop) => _('This device drops, because of another program\'s rules: %s').format(drop)),
		status.resolver.warning, status.hint, status.flow_limit
	].filter((text) => text).map((text) => el('div', { 'class': 'alert-message warning' }, text));
}

function summary(status) {
	const firewall = status.firewall;
	const open = firewall ? firewall.holes : 0;
	return connmgr.pairs([
		[ _('In use'), status.in_use
			? _('%s for %s').format(status.in_use, connmgr.seconds(status.in_use_seconds)) : _('none') ],
		[ _('Choice'), status.choice || _('none') ],
		[ _('Reason'), words([ status.reason, status.reason_age_seconds === null ? null
			: _('%s ago').format(connmgr.seconds(status.reason_age_seconds)) ]) ],
		[ _('Cloud'), status.confirmed ? _('confirmed') : status.assumed ? _('assumed to be reachable') : _('not reachable') ],
		[ _('Firewall'), firewall
			? words([ firewall.audit ? _('audit') : firewall.locked ? _('locked') : _('not locked'), firewall.backend, firewall.backend_reason ])
			: _('off') ],
		...(firewall && (firewall.other_chains || []).length ? [[ _('Chains of other programs'), words(firewall.other_chains) ]] : []),
		[ _('DNS replies'), firewall
			? words([ firewall.dns === 'hold' ? _('held until their addresses are open') : _('only listened to'), firewall.dns_reason ])
			: _('not read') ],
		[ _('Name servers'), firewall ? firewall.name_servers : words(status.resolver.servers) ],
		[ _('Open addresses'), firewall
			? _('%d by name, %d entries of the whitelist').format(open, firewall.entries) : _('all') ],
		[ _('Attribute daemon'), status.attrd ? words([ status.attrd.connected ? _('connected') : null, status.attrd.connected ? null : status.attrd.words ])
			: _('not used') ],
		[ _('connmgr'), words([ status.version.replace(/(\+.{8}).*/, '$1'), _('up for %s').format(connmgr.seconds(status.uptime_seconds)) ]) ]
	]);
}

function links(status) {
	return connmgr.table([ _('Link'), _('State'), _('Addresses'), _('Last probe'), _('Traffic') ], status.links.map((link) => [
		el('span', {}, [
			link.in_use ? el('strong', {}, link.name) : link.name, el('br', {}, []),
			el('span', {}, words([ link.kind, link.metered ? _('metered') : null, link.in_use ? _('in use') : null ]))
		]),
		_('%s, for %s').format(link.words, connmgr.seconds(link.state_seconds)),
		words([ link.ipv4.address, link.ipv6.address ]) || '-',
		link.probing ? _('under way') : link.probe
			? _('%s, %s ago').format(link.probe.words, connmgr.seconds(link.probe.age_seconds)) : '-',
		_('%1024.1mB received, %1024.1mB sent').format(link.bytes_received, link.bytes_sent)
	]), _('There are no links.'));
}

// By name: the addresses that are open because of an entry of the whitelist.
function holes(firewall) {
	const rows = [];
	firewall.whitelist.forEach((entry) => entry.holes.forEach((hole) => rows.push([
		hole.name, hole.address, entry.entry,
		words([ connmgr.seconds(hole.left_seconds), hole.connected ? _('in use') : null ])
	])));
	firewall.whitelist.filter((entry) => entry.literal).forEach((entry) => rows.push([ '-', entry.entry, entry.entry, _('always open') ]));
	return [
		connmgr.table([ _('Name'), _('Address'), _('Entry'), _('Ends in') ], rows, _('No address is open.')),
		firewall.unlisted_holes || firewall.unlisted_entries
			? el('p', {}, _('%d addresses and %d entries more are not listed.').format(firewall.unlisted_holes, firewall.unlisted_entries))
			: null
	];
}

return view.extend({
	load: function() {
		return connmgr.status().catch((error) => error);
	},

	render: function(status) {
		this.body = el('div', { 'id': 'connmgr-status' }, []);
		this.buttons = {
			reload: this.button('reload', 'apply', _('Reload'), () => this.reload()),
			start: this.button('start', 'positive', _('Start and lock'), () => this.start()),
			unlock: this.button('unlock', 'negative', _('Unlock...'), () => this.unlock())
		};
		this.show(status);
		poll.add(() => this.refresh(), 5);
		return el('div', {}, [
			el('h2', {}, _('Connections')),
			this.body,
			el('div', { 'class': 'cbi-page-actions' }, [ this.buttons.reload, ' ', this.buttons.start, ' ', this.buttons.unlock ])
		]);
	},

	button: function(id, kind, label, action) {
		return el('button', {
			'id': 'connmgr-' + id, 'class': 'btn cbi-button-' + kind, 'disabled': L.hasViewPermission() ? null : '',
			'click': ui.createHandlerFn(this, action)
		}, label);
	},

	refresh: function() {
		return connmgr.status().catch((error) => error).then((status) => this.show(status));
	},

	show: function(status) {
		const runs = !(status instanceof Error);
		this.buttons.reload.style.display = runs ? '' : 'none';
		this.buttons.start.style.display = runs ? 'none' : '';
		this.buttons.unlock.style.display = runs && status.firewall ? '' : status.reply && status.reply.locked ? '' : 'none';
		if (!runs) {
			const reply = status.reply || {};
			connmgr.replace(this.body, [
				el('div', { 'class': 'alert-message danger' }, _('connmgr: %s').format(status.message)),
				el('p', {}, reply.locked === true ? _('The device is still locked by an earlier start.') : reply.locked === false ? _('The device is not locked.') : '')
			]);
			return;
		}
		connmgr.replace(this.body, [
			...warnings(status), summary(status),
			el('h3', {}, _('Links')), links(status),
			...(status.firewall ? [ el('h3', {}, _('Open addresses')), ...holes(status.firewall) ] : [])
		]);
	},

	reload: function() {
		return connmgr.reload().then((reply) => {
			connmgr.notify(reply.said, reply.done ? 'info' : 'danger');
			return this.refresh();
		}).catch((error) => connmgr.fail(error));
	},

	start: function() {
		return connmgr.start().then((reply) => {
			connmgr.notify([ reply.started ? _('connmgr is started.') : _('connmgr was not started.'), ...reply.said ], reply.started ? 'info' : 'danger');
			return this.refresh();
		}).catch((error) => connmgr.fail(error));
	},

	unlock: function() {
		connmgr.confirm(_('Unlock the device?'), [
			_('connmgr is stopped, and its firewall is removed: every host may then connect to the device, and the device to every host, as far as other firewalls allow. The default routes stay as they are.'),
			_('The next start of connmgr, at the latest the next boot, locks the device again.')
		], _('Stop and unlock'), () => connmgr.unlock().then((reply) => {
			connmgr.notify([ reply.unlocked ? _('The device is unlocked.') : _('The device is not unlocked.'), ...reply.said ], reply.unlocked ? 'warning' : 'danger');
			return this.refresh();
		}).catch((error) => connmgr.fail(error)));
	},

	handleSaveApply: null,
	handleSave: null,
	handleReset: null
});
