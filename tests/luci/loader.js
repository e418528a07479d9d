'use strict';
// A stand-in for the parts of LuCI that the views use, after luci-base of March 2026 (luci.js, rpc.js, ui.js, uci.js, form.js).
// What it copies on purpose: E() and dom.append() take a string that is not in an array for HTML, and show the word null for a
// null in an array (luci.js, dom.append); attributes that are null are not set (dom.attr); a call goes to /ubus as JSON-RPC
// `call` of [session, object, method, arguments] and a status other than 0 is an error with `reject` (rpc.js).

const environment = JSON.parse(document.getElementById('environment').textContent);

function append(node, children) {
	if (Array.isArray(children))
		for (const child of children)
			node.append(child instanceof Node ? child : document.createTextNode(`${child}`));
	else if (children instanceof Node)
		node.append(children);
	else if (children !== null && children !== undefined)
		node.innerHTML = `${children}`;
}

function E(tag, attributes, children) {
	const node = document.createElement(tag);
	for (const [ name, value ] of Object.entries(attributes || {}))
		if (typeof value === 'function')
			node.addEventListener(name, value);
		else if (value !== null && value !== undefined)
			node.setAttribute(name, value);
	append(node, children);
	return node;
}

// Marks each text that a translator gets, so that the tests see those that do not pass through _().
function _(text) { return environment.marks ? '\u00ab' + text + '\u00bb' : text; }

String.prototype.format = function(...values) {
	return this.replace(/%(1024)?(?:\.(\d+))?([sdmh%])/g, (whole, base, digits, type) => {
		if (type === '%')
			return '%';
		const value = values.shift();
		if (type === 'd')
			return Math.floor(+value || 0);
		if (type === 'm') {
			let number = +value, unit = 0;
			for (; number >= +base && unit < 4; unit++)
				number /= +base;
			return number.toFixed(unit ? +digits : 0) + ' ' + [ '', 'Ki', 'Mi', 'Gi', 'Ti' ][unit];
		}
		return value;
	});
};

async function call(object, method, parameters) {
	const answer = await fetch('/ubus', { method: 'POST', body: JSON.stringify({
		jsonrpc: '2.0', id: 1, method: 'call', params: [ environment.session, object, method, parameters || {} ]
	}) });
	const reply = await answer.json();
	if (reply.error)
		throw new Error(`RPC call to ${object}/${method} failed with error ${reply.error.code}: ${reply.error.message}`);
	if (reply.result[0] !== 0)
		throw new Error(`RPC call to ${object}/${method} failed with ubus code ${reply.result[0]}`);
	return reply.result[1];
}

const L = { hasViewPermission: () => !environment.isReadOnly };

// -- the modules that views require ---------------------------------------------------------------------------------

class Base {
	static extend(members) {
		const Derived = class extends this {};
		Object.assign(Derived.prototype, members);
		return Derived;
	}
}

class View extends Base {
	load() {}
	async __init__() {
		const place = document.getElementById('view');
		place.replaceChildren(await this.render(await this.load()));
		// LuCI shows buttons to save unless a view has no handlers, and never to those who may only read.
		if (this.handleSaveApply === null)
			return;
		const button = E('button', { 'class': 'btn cbi-button-apply', 'id': 'save-apply', 'click': async () => {
			await this.map.save();
			await call('uci', 'apply', { rollback: true });
			place.dataset.applied = 'true';
		} }, [ 'Save & Apply' ]);
		button.disabled = environment.isReadOnly;
		place.append(button);
	}
}

// A poll that is not answered yet is not repeated (luci.js, Poll.step).
const poll = {
	add: (action, seconds) => {
		const next = () => setTimeout(() => Promise.resolve(action()).finally(next), seconds * 1000 / (environment.haste || 1));
		next();
	}
};

const rpc = {
	declare: (options) => (...values) => {
		const parameters = {};
		(options.params || []).forEach((name, i) => { if (values[i] !== undefined) parameters[name] = values[i]; });
		return call(options.object, options.method, parameters);
	}
};

const ui = {
	addNotification: (title, children, ...classes) => {
		const node = E('div', { 'class': [ 'alert-message', 'notification', ...classes ].join(' ') }, []);
		append(node, children);
		document.getElementById('maincontent').prepend(node);
	},
	showModal: (title, children) => {
		const dialog = document.getElementById('modal');
		dialog.replaceChildren(E('h4', {}, title));
		append(dialog, children);
		dialog.hidden = false;
	},
	hideModal: () => { document.getElementById('modal').hidden = true; },
	createHandlerFn: (context, action) => (event) => {
		const node = event.currentTarget;
		node.disabled = true;
		Promise.resolve(action.call(context, event)).finally(() => { node.disabled = false; });
	}
};

const loaded = {};
const uci = {
	load: async (name) => { loaded[name] = (await call('uci', 'get', { config: name })).values; },
	sections: (name, type) => Object.values(loaded[name] || {}).filter((section) => section['.type'] === type),
	get: (name, section, option) => loaded[name][section][option]
};

// Forms: an input for each option, whose value is kept as a word or, for a DynamicList, one word a line.
class Option {
	constructor(section, name, title, text) {
		Object.assign(this, { section, option: name, title, text, values: [], datatype: null, default: null, placeholder: '' });
	}
	value(key, label) { this.values.push([ key, label ]); }
	validate() { return true; }
	words() {
		const value = uci.get(this.section.map.config, this.section.name, this.option);
		return value === undefined ? [] : [].concat(value);
	}
	render() {
		this.input = this.field();
		this.fault = E('div', { 'class': 'fault' }, []);
		this.input.addEventListener('input', () => this.check());
		return E('div', { 'class': 'cbi-value' }, [
			E('label', { 'class': 'cbi-value-title' }, this.title),
			E('div', { 'class': 'cbi-value-field' }, [ this.input, this.fault, E('div', { 'class': 'cbi-value-description' }, this.text || '') ])
		]);
	}
	identity() { return { 'id': 'option-' + this.option, 'class': 'cbi-input-text', 'placeholder': this.placeholder }; }
	field() { return Object.assign(E('input', this.identity(), []), { value: this.words().join(' ') }); }
	current() { return this.input.value; }
	check() {
		const range = /^range\((\d+),(\d+)\)$/.exec(this.datatype || '');
		const faults = [].concat(this.current()).map((word) => {
			if (range && word !== '' && !(/^\d+$/.test(word) && +word >= +range[1] && +word <= +range[2]))
				return `a number from ${range[1]} to ${range[2]}`;
			return this.validate(this.section.name, word);
		}).filter((answer) => answer !== true);
		this.fault.replaceChildren(...faults);
		return !faults.length;
	}
}
class DynamicList extends Option {
	field() { return Object.assign(E('textarea', this.identity(), []), { value: this.words().join('\n') }); }
	current() { return this.input.value.split('\n').filter((word) => word !== ''); }
}
class Flag extends Option {
	field() { return Object.assign(E('input', { ...this.identity(), 'type': 'checkbox' }, []), { checked: (this.words()[0] || this.default) === '1' }); }
	current() { const word = this.input.checked ? '1' : '0'; return word === this.default ? '' : word; }
}
class ListValue extends Option {
	field() {
		const select = E('select', this.identity(), this.values.map(([ key, label ]) => E('option', { 'value': key }, [ label ])));
		select.value = this.words()[0] || '';
		return select;
	}
}
class NamedSection {
	constructor(map, name) { Object.assign(this, { map, name, tabs: [], options: [] }); }
	tab(name, title) { this.tabs.push([ name, title ]); }
	taboption(tab, Kind, name, title, text) {
		const option = new Kind(this, name, title, text);
		this.options.push([ tab, option ]);
		return option;
	}
	render() {
		return E('div', {}, this.tabs.map(([ name, title ]) => E('div', { 'class': 'tab' }, [
			E('h3', {}, title), ...this.options.filter(([ tab ]) => tab === name).map(([ , option ]) => option.render()) ])));
	}
}
class Map_ {
	constructor(config, title, text) { Object.assign(this, { config, title, text, all: [] }); current.map = this; }
	section(Kind, name) {
		const section = new Kind(this, name);
		this.all.push(section);
		return section;
	}
	async render() { return E('div', {}, [ E('h2', {}, this.title), E('p', {}, this.text), ...this.all.map((section) => section.render()) ]); }
	async save() {
		const options = this.all.flatMap((section) => section.options.map(([ , option ]) => option));
		if (options.filter((option) => !option.check()).length)
			throw new Error('there are errors');
		for (const option of options) {
			const value = option.current(), words = [].concat(value).filter((word) => word !== '');
			if (words.join('\n') === option.words().join('\n') || (option instanceof Flag && value === '' && option.words()[0] === option.default))
				continue;
			const place = { config: this.config, section: option.section.name };
			if (words.length)
				await call('uci', 'set', { ...place, values: { [option.option]: value } });
			else
				await call('uci', 'delete', { ...place, option: option.option });
		}
	}
}
const form = { Map: Map_, NamedSection, Value: Option, Flag, ListValue, DynamicList };

// -- the loader -----------------------------------------------------------------------------------------------------

const modules = { baseclass: Base, view: View, poll, rpc, ui, uci, form };
let current;

// A file begins with 'use strict' and 'require NAME as ALIAS', and returns a class.
async function load(name) {
	if (modules[name])
		return modules[name];
	const source = await (await fetch(`/luci-static/resources/${name.replaceAll('.', '/')}.js`)).text();
	const names = [], values = [];
	for (const [ , needed, alias ] of source.matchAll(/^'require (\S+)(?: as (\S+))?';$/mg)) {
		names.push(alias || needed.replace(/[^a-zA-Z0-9_]/g, '_'));
		values.push(await load(needed));
	}
	const Class = new Function('L', 'E', '_', ...names, source)(L, E, _, ...values);
	return modules[name] = new Class();
}

load('view.' + environment.view.replace('/', '.')).then((view) => {
	current = view;
	return view.__init__();
}).catch((error) => {
	console.error(error.stack);
});
