// render.js APP: reads a status document from stdin, and prints the text of the page Status as a browser shows it, in one line.
'use strict';
const fs = require('fs');
const resources = process.argv[2] + '/htdocs/luci-static/resources/';
String.prototype.format = function(...values) { return this.replace(/%[0-9.]*m?[a-zB]/g, () => String(values.shift())); };

// Of LuCI's loader: the body of a file is a function, which gets what it requires.
function load(path, names, values) { return new Function(...names, fs.readFileSync(resources + path, 'utf8'))(...values); }
const texts = [];
function E(tag, attributes, children) { return { children: [].concat(children), replaceChildren(...nodes) { this.children = nodes; }, style: {} }; }
function collect(node) {
	if (node === null || node === undefined) return;
	if (node.children) node.children.forEach(collect); else texts.push(String(node));
}
const L = { hasViewPermission: () => true };
const ui = { createHandlerFn: () => null };
const baseclass = { extend: (members) => members };
const rpc = { declare: () => () => Promise.resolve({}) };
const client = load('connmgr/client.js', [ 'baseclass', 'rpc', 'ui', 'E', '_', 'L' ], [ baseclass, rpc, ui, E, (text) => text, L ]);
const view = load('view/connmgr/status.js', [ 'view', 'poll', 'ui', 'connmgr', 'E', '_', 'L' ],
	[ baseclass, { add: () => {} }, ui, client, E, (text) => text, L ]);
collect(view.render(JSON.parse(fs.readFileSync(0, 'utf8'))));
console.log(texts.join(' | '));
