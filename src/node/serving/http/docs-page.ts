/**
 * The page at `/docs`: all operations of this node to read and to try. A page of its own, since the usual ones are megabytes.
 *
 * Guarantee: it loads nothing but its own script and style from this node, and its policy lets it load nothing else; what it
 * shows of a node is put into it as text. A token that is typed in stays in the page.
 */

import { TITLE_OF } from './problem.js';

export const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const KINDS = Object.entries(TITLE_OF)
  .map(([kind, title]) => `<dt id="${kind}">${kind}</dt><dd>${title}.</dd>`)
  .join('');

export const PAGE = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>owl</title>
<link rel="stylesheet" href="/docs/page.css"><script src="/docs/page.js" defer></script></head>
<body>
<h1>owl</h1>
<p>What this node can be asked for, from <a href="/openapi.json">/openapi.json</a>.</p>
<label>Token <input id="token" type="password" autocomplete="off" size="50"></label>
<main id="operations"></main>
<h2>Problems by kind</h2>
<dl>${KINDS}</dl>
<noscript>The list is made by a script; /openapi.json says the same.</noscript>
</body>
</html>
`;

export const STYLE = `body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
summary { cursor: pointer; } code, pre, textarea { font: 14px/1.4 ui-monospace, monospace; }
details { border-bottom: 1px solid #ccc; padding: .4rem 0; } label { display: block; margin: .3rem 0; }
textarea { width: 100%; height: 6rem; } pre { background: #f4f4f4; padding: .6rem; overflow: auto; max-height: 24rem; }
dt { font-weight: bold; }
@media (prefers-color-scheme: dark) { body { background: #181818; color: #ddd; } pre { background: #262626; } a { color: #9cf; } }
`;

export const SCRIPT = `'use strict';
const make = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text }, more);
const token = document.getElementById('token');

async function send(method, path, fields, body, out) {
  const query = new URLSearchParams();
  const headers = {};
  let url = path;
  for (const { name, place, input } of fields) {
    if (input.value === '') continue;
    if (place === 'path') url = url.replace('{' + name + '}', encodeURIComponent(input.value));
    else if (place === 'header') headers[name] = input.value;
    else for (const one of input.value.split(',')) query.append(name, one);
  }
  if (token.value !== '') headers.authorization = 'Bearer ' + token.value;
  if (body !== undefined) headers['content-type'] = 'application/json';
  const stop = new AbortController();
  const response = await fetch(url + (query.size > 0 ? '?' + query : ''), {
    method, headers, signal: stop.signal, ...(body === undefined ? {} : { body: body.value }),
  });
  out.textContent = response.status + ' ' + response.statusText + '\\n';
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    out.textContent += read.value;
    if (out.textContent.length > 200000) stop.abort();
  }
}

/** With what it refers to in its place; what holds itself is named. */
function whole(value, schemas, within) {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((one) => whole(one, schemas, within));
  const name = typeof value.$ref === 'string' ? value.$ref.split('/').pop() : undefined;
  if (name === undefined) return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, whole(one, schemas, within)]));
  return within.includes(name) ? name : whole(schemas[name], schemas, [...within, name]);
}

function showAnswers(box, responses, schemas) {
  for (const [status, { description, content }] of Object.entries(responses))
    for (const [type, { schema }] of Object.entries(content || {})) {
      const answer = make('details', '');
      const what = status === 'default' ? 'Problem' : type === 'text/event-stream' ? 'Each event' : 'Answer';
      answer.append(make('summary', what + ' (' + type + '): ' + description));
      answer.append(make('pre', JSON.stringify(whole(schema, schemas, []), null, 1)));
      box.append(answer);
    }
}

function show(method, path, operation, schemas) {
  const box = make('details', '');
  const line = make('summary', '');
  line.append(make('code', method.toUpperCase() + ' ' + path), ' ', operation.summary);
  box.append(line, make('p', operation.description || ''));
  const fields = (operation.parameters || []).map((parameter) => {
    const input = make('input', '');
    const label = make('label', parameter.name + ' ');
    label.append(input, ' ' + (parameter.description || (parameter.schema || {}).description || ''));
    box.append(label);
    return { name: parameter.name, place: parameter.in, input };
  });
  let body;
  if (operation.requestBody) {
    const schema = operation.requestBody.content['application/json'].schema;
    box.append(make('pre', JSON.stringify(whole(schema, schemas, []), null, 1)));
    body = make('textarea', '', { value: '{}' });
    box.append(body);
  }
  showAnswers(box, operation.responses, schemas);
  const button = make('button', 'Ask');
  const out = make('pre', '');
  button.addEventListener('click', () => {
    out.textContent = '…';
    send(method.toUpperCase(), path, fields, body, out).catch((error) => { out.textContent += '\\n' + error.message; });
  });
  box.append(button, out);
  return box;
}

fetch('/openapi.json').then((response) => response.json()).then(({ paths, components }) => {
  const list = document.getElementById('operations');
  for (const [path, methods] of Object.entries(paths))
    for (const [method, operation] of Object.entries(methods)) list.append(show(method, path, operation, components.schemas));
});
`;
