/** Whatever comes in over HTTP, the answer is of the caller's kind, and the node goes on: values and addresses drawn by a seed. */

import t from 'tap';
import { z } from 'zod';
import { randomFrom } from '../../../support/random.js';
import { DECLARED, httpRequestOf, nameOf } from './declared.js';
import { startHttpNode } from './http-node.js';

const SEED = 20261129;
const ROUNDS = 12;

const VALUES: readonly unknown[] = [
  ...[
    '',
    ' ',
    'a',
    'a b',
    '../../etc/passwd',
    '%2e%2e',
    '\u0000',
    'ö\u2028',
    "'; DROP TABLE plot_tasks",
    '$',
  ],
  ...['x'.repeat(5000), '1e999', '-0', 'true', 'null', 'Infinity', '__proto__', '[object Object]', '😀'],
  ...[0, -0, 1, -1, 0.5, 1e21, 2 ** 31, 2 ** 53, 2 ** 63, -(2 ** 63)],
  ...[true, false, null, [], {}, [[]], [null], ['a', 1], { a: 1 }, { length: 1 }, { toString: null }],
];

const Told = z.looseObject({ kind: z.string(), status: z.number(), detail: z.string() });

t.test('no value of any field is the fault of the node', async (t) => {
  const random = randomFrom(SEED);
  const pick = <T>(all: readonly T[]): T | undefined => all[Math.floor(random() * all.length)];
  const { ask, log } = await startHttpNode(t);
  for (const { operations } of DECLARED)
    for (const one of operations)
      for (let round = 0; round < ROUNDS; round++) {
        const names = [...Object.keys(one.request.shape), ...(random() < 0.2 ? ['constructor'] : [])];
        const given = names.filter(() => random() < 0.7).map((name) => [name, pick(VALUES)] as const);
        const fields = Object.fromEntries(given);
        const { method, path, body } = httpRequestOf(nameOf(one), fields);
        // A stream that is let in has no end.
        const url = one.isStream === true ? `${path}${path.includes('?') ? '&' : '?'}colour=x` : path;
        const answer = await ask(method, url, body === undefined ? {} : { body });
        const what = `${method} ${path} ${encodeURIComponent(JSON.stringify(body) ?? '').slice(0, 300)}`;
        t.ok([200, 400, 404, 405, 409, 414, 422, 431].includes(answer.status), `${answer.status} ${what}`);
        if (answer.status !== 200) t.equal(Told.parse(answer.body).status, answer.status, what);
      }
  t.same(log.messages('error'), []);
  t.match(await ask('GET', '/readyz'), { status: 200 });
});

t.test('no address and no header is', async (t) => {
  const random = randomFrom(SEED);
  const { ask, log } = await startHttpNode(t);
  const parts = [
    'api',
    'v1',
    'talent',
    'plot-tasks',
    '..',
    '.',
    '',
    '%00',
    '%',
    '%2f',
    '*',
    ':task_id',
    'docs',
    '~',
    'é',
    '?',
    '#',
    ';',
  ];
  const headers = [
    'last-event-id',
    'idempotency-key',
    'authorization',
    'accept',
    'range',
    'if-match',
    'x-forwarded-for',
    'upgrade',
  ];
  const values = [
    '',
    'x',
    '*',
    'bytes=0-',
    '"',
    'Bearer',
    `Bearer ${'x'.repeat(4000)}`,
    'websocket',
    '\u00ff',
  ];
  const pick = (all: readonly string[]) => all[Math.floor(random() * all.length)] ?? '';
  for (let round = 0; round < 150; round++) {
    const path = `/${Array.from({ length: Math.floor(random() * 7) }, () => pick(parts)).join('/')}`;
    const method = pick(['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND']);
    const answer = await ask(method, encodeURI(decodeSafely(path)), {
      headers: { [pick(headers)]: pick(values) },
    });
    t.ok(answer.status < 500, `${answer.status} ${method} ${path}`);
  }
  t.same(log.messages('error'), []);
});

function decodeSafely(path: string): string {
  try {
    return decodeURI(path);
  } catch {
    return path;
  }
}
