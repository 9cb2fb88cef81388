/**
 * A page in a browser on a machine that reaches the node: whatever it tries, it orders nothing and reads nothing. Each attempt
 * carries a good token, so that it is refused for what it is and not for want of one.
 */

import { connect } from 'node:net';
import t from 'tap';
import { type Asked, type HttpNode, startHttpNode } from './http-node.js';

const ORDER = '/api/v1/semaphore/semaphores';
const READ = '/api/v1/talent/plot-tasks';
const body = { name: 'hostile', capacity: 1 };

interface Attempt {
  readonly what: string;
  readonly asked: Asked;
  readonly status: number;
}

/** @param address HOST:PORT of the node */
function attempts(address: string): Attempt[] {
  const port = address.slice(address.indexOf(':'));
  const plain = JSON.stringify(body);
  const typed = (type: string): Asked => ({ body: plain, headers: { 'content-type': type } });
  const headers = (more: Readonly<Record<string, string>>): Asked => ({ body, headers: more });
  return [
    { what: 'fetch of another origin', status: 403, asked: headers({ origin: 'https://evil.example' }) },
    {
      what: 'another port of this machine',
      status: 403,
      asked: headers({ origin: 'http://127.0.0.1:8080' }),
    },
    { what: 'another scheme', status: 403, asked: headers({ origin: `ftp://${address}` }) },
    { what: 'ours with more', status: 403, asked: headers({ origin: `http://${address}.evil.example` }) },
    { what: 'a page in a file or a sandbox', status: 403, asked: headers({ origin: 'null' }) },
    { what: 'a name that leads here now', status: 403, asked: headers({ host: `evil.example${port}` }) },
    {
      what: 'the same, with its own origin',
      status: 403,
      asked: headers({ host: `evil.example${port}`, origin: `http://evil.example${port}` }),
    },
    {
      what: 'a name with ours in it',
      status: 403,
      asked: headers({ host: `127.0.0.1.evil.example${port}` }),
    },
    { what: 'our name at another port', status: 403, asked: headers({ host: '127.0.0.1:1' }) },
    { what: 'the name of all interfaces', status: 403, asked: headers({ host: `0.0.0.0${port}` }) },
    { what: 'our name at no port', status: 403, asked: headers({ host: '127.0.0.1' }) },
    { what: 'a name that is none', status: 403, asked: headers({ host: `a b${port}` }) },
    { what: 'what the browser says of it', status: 403, asked: headers({ 'sec-fetch-site': 'cross-site' }) },
    { what: 'a sibling of the site', status: 403, asked: headers({ 'sec-fetch-site': 'same-site' }) },
    { what: 'a form as text', status: 415, asked: typed('text/plain') },
    { what: 'a form', status: 415, asked: typed('application/x-www-form-urlencoded') },
    { what: 'a form with files', status: 415, asked: typed('multipart/form-data; boundary=x') },
    { what: 'a type with ours in it', status: 415, asked: typed('text/plain; x=application/json') },
    { what: 'two types', status: 415, asked: typed('text/plain, application/json') },
    { what: 'no type', status: 415, asked: typed('') },
    { what: 'another set of characters', status: 415, asked: typed('application/json; charset=utf-16') },
    { what: 'no body and no type, as simple requests may', status: 415, asked: {} },
    { what: 'a packed body', status: 415, asked: headers({ 'content-encoding': 'gzip' }) },
  ];
}

t.test('a page in a browser orders nothing', async (t) => {
  const node = await startHttpNode(t);
  for (const { what, asked, status } of attempts(node.address)) {
    const answer = await node.ask('POST', ORDER, asked);
    t.match(answer, { status, body: { status, kind: status === 403 ? 'forbidden' : 'invalid' } }, what);
    t.notOk(
      Object.keys(answer.headers).some((name) => name.startsWith('access-control')),
      'no CORS',
    );
  }
  t.match(await permitsOf(node), { permits: [] });
  const order = await node.ask('POST', ORDER, { body });
  t.match(order, { status: 200 }, 'and the same order, sent as it should be, is carried out');
});

t.test('a page in a browser reads nothing', async (t) => {
  const node = await startHttpNode(t);
  const foreign = [
    { origin: 'https://evil.example' },
    { host: 'evil.example' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors' },
  ];
  for (const headers of foreign)
    for (const path of [READ, '/openapi.json', '/docs', '/healthz', '/nothing'])
      t.match(await node.ask('GET', path, { headers }), { status: 403, body: { kind: 'forbidden' } }, path);
  const { headers } = await node.ask('GET', READ);
  t.match(headers, {
    'cross-origin-resource-policy': 'same-origin',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cache-control': 'no-store',
    'content-security-policy': /default-src 'none'/,
  });
});

t.test('what a browser asks beforehand is answered like any method that is not there', async (t) => {
  const node = await startHttpNode(t);
  const asks = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
  const foreign = await node.ask('OPTIONS', ORDER, { headers: { ...asks, origin: 'https://evil.example' } });
  t.match(foreign, { status: 403 });
  const own = await node.ask('OPTIONS', ORDER, { headers: asks });
  t.match(own, { status: 405, headers: { allow: 'POST' } });
  for (const { headers } of [foreign, own])
    t.notOk(Object.keys(headers).some((name) => name.startsWith('access-control')));
});

t.test('its own names are let in, and no others', async (t) => {
  const config = { http_hosts: 'owl.farm.example,other.example:8443' };
  const { ask, address } = await startHttpNode(t, { config });
  const port = address.slice(address.indexOf(':'));
  const own = [
    address,
    `localhost${port}`,
    `LOCALHOST${port}`,
    `owl.farm.example${port}`,
    'other.example:8443',
  ];
  for (const host of own) {
    t.match(await ask('GET', READ, { headers: { host } }), { status: 200 }, host);
    const headers = { host, origin: `http://${host}`, 'sec-fetch-site': 'same-origin' };
    t.match(await ask('POST', ORDER, { body, headers }), { status: 200 }, `a page of ${host} itself`);
  }
  for (const host of ['owl.farm.example', 'owl.farm.example:1', 'other.example', `x.owl.farm.example${port}`])
    t.match(await ask('GET', READ, { headers: { host } }), { status: 403 }, host);
});

t.test('a request without a name, or with two, is none', async (t) => {
  const { address } = await startHttpNode(t);
  for (const lines of [[], [`Host: ${address}`, 'Host: evil.example']])
    t.match(await said(address, ['GET /healthz HTTP/1.1', ...lines]), /^HTTP\/1\.1 (400|403) /, lines.join());
  const absolute = await said(address, [`GET http://evil.example/healthz HTTP/1.1`, `Host: ${address}`]);
  t.match(absolute, /^HTTP\/1\.1 400 /);
});

t.test('the page for people loads nothing from elsewhere', async (t) => {
  const { ask } = await startHttpNode(t);
  const page = await ask('GET', '/docs', { authorization: null });
  t.match(page.headers, { 'content-type': /^text\/html/, 'content-security-policy': /connect-src 'self'/ });
  const named = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path = '']) => path);
  t.ok(named.length >= 3);
  for (const path of named) {
    t.ok(path.startsWith('/') && !path.startsWith('//'), path);
    t.match(await ask('GET', path, { authorization: null }), { status: 200 }, path);
  }
  const parts = await Promise.all(
    ['/docs', '/docs/page.js', '/docs/page.css'].map((path) => ask('GET', path)),
  );
  for (const { text } of parts) t.notMatch(text, /https?:|url\(|innerHTML|\beval\b|<script>/);
  t.doesNotThrow(() => new Function(parts[1]?.text ?? '!'), 'its script can be read');
});

async function permitsOf({ ask }: HttpNode): Promise<unknown> {
  return (await ask('GET', `${ORDER}/hostile/permits`)).body;
}

/** The answer to these lines, sent as they are. */
function said(address: string, lines: readonly string[]): Promise<string> {
  const [host = '', port] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host);
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.on('close', () => resolve(text));
    socket.on('error', reject);
    socket.write(`${lines.join('\r\n')}\r\nConnection: close\r\n\r\n`);
  });
}
