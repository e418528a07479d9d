'use strict';
'require view';
'require form';
'require uci';

// The checks of /etc/init.d/connmgr, so that the user sees an error before it is saved. The init script and the daemon
// check again.

function isAddress(value) {
	if (/^[0-9a-fA-F:.]+$/.test(value) && value.split(':').length > 2)
		return true;
	return /^\d{1,3}(\.\d{1,3}){3}$/.test(value);
}

function isHost(value) {
	return /^\[[0-9a-fA-F:.]+\](:\d+)?$/.test(value) || /^[A-Za-z0-9._:][A-Za-z0-9._:-]*$/.test(value);
}

const checks = {
	address: (value) => isAddress(value) || _('This is no IP address.'),
	host: (value) => isHost(value) || _('This is not of the form HOST or HOST:PORT.'),
	url: (value) => /^(echo|http|tls|mqtt|coap|tcp):\/\/[\][A-Za-z0-9._:/?&=%#+~,<>-]+$/.test(value) ||
		_('This does not start with echo://, http://, tls://, mqtt://, coap:// or tcp://, or has a character that is to be written as %XX.'),
	server: (value) => value === 'auto' || value === 'any' || isAddress(value) || _('This is neither auto, any nor an IP address.'),
	link: (value) => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,14}$/.test(value) || _('This is no name of a network or a device.'),
	linkOrNone: (value) => value === '-' || checks.link(value),
	budget: (value) => value === '-' || (/^\d{1,6}[KMGT]$/.test(value) && /[1-9]/.test(value)) || _('This is no number with K, M, G or T, like 500M.'),
	path: (value) => (/^\/[A-Za-z0-9/._+-]{0,255}$/.test(value) && !/\/\.\.(\/|$)/.test(value)) || _('This is no absolute path, or has a character that paths here do not have.'),
	socket: (value) => value.length > 107 ? _('This is longer than 107 bytes.') : checks.path(value),
	group: (value) => /^[A-Za-z0-9_][A-Za-z0-9._-]{0,31}$/.test(value) || _('This is no name of a group.'),
	resolvConf: (value) => value === 'off' || value === 'auto' || checks.path(value),
	idle: (value) => value.split(',').every((part) => {
		const number = /^((ethernet|wifi|wan)=)?(\d{1,4})$/.exec(part);
		return number && +number[3] >= 2 && +number[3] <= 3600;
	}) || _('This is neither a number from 2 to 3600 nor such numbers by kind, like ethernet=16,wan=300.')
};

// validator(CHECK): LuCI calls it with an empty value as well; that is the default.
function validator(check) {
	return (section, value) => value === null || value === undefined || value === '' ? true : checks[check](value);
}

return view.extend({
	load: function() {
		return Promise.all([ uci.load('connmgr'), uci.load('network').catch(() => null) ]);
	},

	render: function() {
		const map = new form.Map('connmgr', _('Configuration'), _('An option without a value has its default. connmgr starts again if an option has changed.'));
		const section = map.section(form.NamedSection, 'main', 'connmgr');
		section.addremove = false;
		section.tab('general', _('General'));
		section.tab('links', _('Links'));
		section.tab('probes', _('Probes'));
		section.tab('names', _('Names'));
		section.tab('other', _('Other'));

		// Each adds one option to the tab, and returns it.
		const add = (tab, type, name, title, text) => {
			const option = section.taboption(tab, type, name, title, text);
			option.optional = true;
			return option;
		};
		const flag = (tab, name, title, text, standard) => {
			const option = add(tab, form.Flag, name, title, text);
			option.default = standard ? '1' : '0';
		};
		const choice = (tab, name, title, values, text) => {
			const option = add(tab, form.ListValue, name, title, text);
			option.value('', _('default'));
			values.forEach((value) => option.value(value, value));
		};
		const text = (tab, name, title, check, standard, more) => {
			const option = add(tab, form.Value, name, title, more);
			option.placeholder = standard;
			option.validate = validator(check);
			return option;
		};
		const number = (tab, name, title, least, most, standard, more) => {
			const option = add(tab, form.Value, name, title, more);
			option.placeholder = standard;
			option.datatype = 'range(' + least + ',' + most + ')';
		};
		const list = (tab, name, title, check, standard, more) => {
			const option = add(tab, form.DynamicList, name, title, more);
			option.placeholder = standard;
			option.validate = validator(check);
			return option;
		};
		const networks = uci.sections('network', 'interface').map((network) => network['.name'])
			.filter((name) => name !== 'loopback' && /^[A-Za-z0-9_]+$/.test(name));
		const withNetworks = (option) => networks.forEach((name) => option.value(name, name));

		flag('general', 'enabled', _('Start at boot'), _('Without it the lockdown stays in force until the next boot.'), true);
		flag('general', 'disable_firewall', _('No firewall'), _('No lockdown and no whitelist: the device is open.'));
		choice('general', 'firewall', _('Firewall by'), [ 'auto', 'nft', 'iptables' ]);
		choice('general', 'on_firewall_failure', _('If the lockdown fails'), [ 'exit', 'manage-links' ], _('exit closes the device, manage-links leaves it open.'));
		flag('general', 'audit', _('Audit'), _('For the making of a whitelist: nothing is dropped. Never ship it.'));

		const links = _('Networks or devices, the most preferred first; - if the device has none.');
		withNetworks(list('links', 'ethernet', _('Ethernet'), 'linkOrNone', 'eth0', links));
		withNetworks(list('links', 'wifi', _('Wi-Fi'), 'linkOrNone', 'wlan0', links));
		withNetworks(list('links', 'lte', _('LTE'), 'linkOrNone', 'wwan0', links));
		withNetworks(list('links', 'prefer', _('Preferred'), 'link', '', _('Before the others of their class.')));
		withNetworks(list('links', 'metered', _('Metered'), 'link', '', _('Their bytes cost money. By default those of LTE do.')));
		withNetworks(list('links', 'unmetered', _('Not metered'), 'link', ''));
		const budgets = _('Bytes that they may use in a month, like 500M, in the order of the links above; - for any number.');
		list('links', 'ethernet_budget', _('Budgets of metered Ethernet'), 'budget', '', budgets);
		list('links', 'wifi_budget', _('Budgets of metered Wi-Fi'), 'budget', '', budgets);
		list('links', 'lte_budget', _('Budgets of LTE'), 'budget', '', budgets);
		number('links', 'budget_day', _('Day of the budgets'), 1, 31, '1', _('They begin anew on this day of the month, at 00:00 UTC.'));
		choice('links', 'over_budget', _('Over the budget'), [ 'last', 'never' ], _('last: the link is used if no other works. never: it is not used.'));
		withNetworks(text('links', 'access_point', _('Access point'), 'linkOrNone', 'wlan0-1'));
		withNetworks(text('links', 'bridge', _('Bridge of extenders'), 'linkOrNone', 'br-apnet'));

		list('probes', 'echo', _('Echo services'), 'host', 'echo.afero.io:80', _('HOST or HOST:PORT. Any correct answer proves that the cloud is reachable.'));
		list('probes', 'probe', _('Other services'), 'url', 'tls://HOST', _('echo://HOST:PORT, http://HOST/PATH#204, tls://HOST, mqtt://HOST, coap://HOST or tcp://HOST:PORT.'));
		list('probes', 'ping', _('Addresses to ping'), 'address', '8.8.8.8', _('Asked when no service answers.'));
		flag('probes', 'use_ping', _('Ping'), '', true);
		text('probes', 'idle', _('Idle time'), 'idle', '16', _('Seconds of silence before a link is probed, 2 to 3600, or by kind: ethernet=16,wan=300.'));
		choice('probes', 'wan_probe', _('Probe metered links'), [ 'never', 'suspect', 'always' ]);

		list('names', 'resolver', _('Name servers of connmgr'), 'address', '', _('For its own questions, before those of the links.'));
		list('names', 'dns_servers', _('Name servers that may be asked'), 'server', 'auto', _('Only their replies open addresses. auto: those that the device uses.'));
		text('names', 'resolv_conf', _('Keep the resolver on the link in use'), 'resolvConf', 'off', _('off, auto, or a file that dnsmasq reads as its resolvfile.'));
		choice('names', 'dns', _('DNS replies'), [ 'hold', 'sniff', 'auto' ], _('hold: they wait until their addresses are open. sniff: connmgr only listens.'));
		number('names', 'queue_num', _('Queue'), 0, 65535, '5353');
		flag('names', 'allow_private_answers', _('Allow private addresses'), _('Whitelisted names may have private addresses.'));

		choice('other', 'switch', _('Routes are moved by'), [ 'auto', 'netlink', 'script' ]);
		flag('other', 'keep_linkdown_routes', _('Leave ignore_routes_with_linkdown alone'));
		flag('other', 'keep_flows', _('Leave old connections alone'), _('Connections over the old link go on after a switch.'));
		number('other', 'mark_bit', _('Bit of the firewall mark'), 0, 30, '7');
		flag('other', 'attrd', _('Attribute daemon'), '', true);
		text('other', 'attrd_socket', _('Its socket'), 'socket', '/var/run/IPC.ATTRD');
		choice('other', 'log', _('Log to'), [ 'auto', 'stderr', 'syslog' ]);
		flag('other', 'verbose', _('Log more'));
		text('other', 'config_dir', _('Directory of the whitelist'), 'path', '/etc/af-conn');
		text('other', 'script_dir', _('Directory of the scripts'), 'path', '/usr/lib/af-conn');
		text('other', 'run_dir', _('Run directory'), 'path', '/var/run/connmgr');
		text('other', 'state_dir', _('Directory of what is kept'), 'path', '/etc/af-conn', _('How much of the budgets is used. It must survive a reboot.'));
		text('other', 'hook_dir', _('Directory of hooks'), 'path', '/etc/connmgr.d', _('Its programs run after each switch.'));
		text('other', 'control_group', _('Control group'), 'group', '', _('Its members may use connmgr status, events and metrics; otherwise only root may.'));

		return map.render();
	}
});
