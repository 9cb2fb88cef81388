/** The OpenAPI document says what can be asked for, and the page at /docs shows all of it and asks. */

import { createContext, runInContext } from 'node:vm';
import t from 'tap';
import { z } from 'zod';
import { until } from '../../../support/until.js';
import { DECLARED, nameOf } from './declared.js';
import { startHttpNode } from './http-node.js';

const Parameter = z.looseObject({
  name: z.string(),
  in: z.string(),
  required: z.boolean().optional(),
  schema: z.unknown(),
});
const Operation = z.looseObject({
  operationId: z.string(),
  tags: z.array(z.string()),
  summary: z.string(),
  description: z.string(),
  parameters: z.array(Parameter).default([]),
  requestBody: z
    .object({ content: z.record(z.string(), z.object({ schema: z.looseObject({}) })) })
    .optional(),
  responses: z.record(z.string(), z.looseObject({})),
  security: z.array(z.unknown()),
  'x-roles': z.array(z.string()),
});
const Document = z.looseObject({
  openapi: z.string(),
  info: z.object({ title: z.string(), version: z.string() }).loose(),
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.object({ schemas: z.record(z.string(), z.unknown()) }).loose(),
});

t.test('the document has each operation where it is, with its limits and its roles', async (t) => {
  const { ask } = await startHttpNode(t);
  const { headers, body, text } = await ask('GET', '/openapi.json', { authorization: null });
  t.match(headers['content-type'], /^application\/json/);
  const document = Document.parse(body);
  t.match(document.openapi, /^3\.1\./);
  for (const { system, operations } of DECLARED)
    for (const one of operations) {
      const { http, kind, roles, summary, request, isStream } = one;
      const told = document.paths[`/api/v1/${system}${http.path}`]?.[http.method.toLowerCase()];
      if (told === undefined) throw new Error(`${nameOf(one)} is not in the document`);
      t.match(told, { operationId: nameOf(one), tags: [system], summary, 'x-roles': roles }, nameOf(one));
      t.equal(told.security.length, kind === 'decision' ? 1 : 2, 'an order needs a token');
      const inPath = told.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
      t.same(
        inPath,
        [...http.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name),
      );
      const hasBody = told.requestBody !== undefined;
      const fields = hasBody
        ? Object.keys(
            z
              .object({ properties: z.looseObject({}) })
              .parse(told.requestBody?.content['application/json']?.schema).properties,
          )
        : told.parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
      t.same([...inPath, ...fields].sort(), Object.keys(request.shape).sort(), 'each field has one place');
      const types = Object.keys(
        z.object({ content: z.looseObject({}) }).parse(told.responses['200']).content,
      );
      t.same(types, isStream === true ? ['text/event-stream', 'application/x-ndjson'] : ['application/json']);
      t.match(told.responses['default'], { content: { 'application/problem+json': {} } });
    }
  const page = document.paths['/api/v1/talent/plot-tasks']?.['get']?.parameters.find(
    ({ name }) => name === 'page_size',
  );
  t.match(page, {
    required: false,
    description: /Default 100/,
    schema: { type: 'integer', minimum: 1, maximum: 1000 },
  });
  const name =
    document.paths['/api/v1/semaphore/semaphores']?.['post']?.requestBody?.content['application/json']
      ?.schema;
  t.match(
    name,
    { required: ['capacity'], properties: { name: { pattern: '^[a-z0-9-]{1,64}$' } } },
    'the key makes the name',
  );

  const referred = [...text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
    ([, one = '']) => one,
  );
  t.same(
    [...new Set(referred)].sort(),
    Object.keys(document.components.schemas).sort(),
    'nothing else, and nothing less',
  );
});

/** As much of a page as the script asks for. */
class Element {
  textContent = '';
  value = '';
  readonly children: unknown[] = [];
  private readonly listeners: (() => void)[] = [];

  append(...all: unknown[]): void {
    this.children.push(...all);
  }

  addEventListener(_name: string, listener: () => void): void {
    this.listeners.push(listener);
  }

  click(): void {
    for (const listener of this.listeners) listener();
  }

  all(): Element[] {
    return [this, ...this.children.flatMap((child) => (child instanceof Element ? child.all() : []))];
  }
}

t.test('the page shows all operations, and asks', async (t) => {
  const { ask, address } = await startHttpNode(t);
  const script = (await ask('GET', '/docs/page.js')).text;
  const elements = new Map([
    ['token', new Element()],
    ['operations', new Element()],
  ]);
  const context = createContext({
    document: { createElement: () => new Element(), getElementById: (id: string) => elements.get(id) },
    ...{ URLSearchParams, AbortController, TextDecoderStream, encodeURIComponent },
    fetch: (path: string, init: RequestInit = {}) => fetch(`http://${address}${path}`, init),
  });
  runInContext(script, context);
  const list = elements.get('operations');
  const count = DECLARED.reduce((sum, { operations }) => sum + operations.length, 0);
  await until('all are shown', () => list?.children.length === count);
  const texts = (title: string) =>
    list?.children
      .filter((one): one is Element => one instanceof Element)
      .map((one) => one.all().map(({ textContent }) => textContent))
      .find((all) => all.includes(title)) ?? [];
  for (const { system, operations } of DECLARED)
    for (const { http, answer, isStream } of operations) {
      const all = texts(`${http.method} /api/v1/${system}${http.path}`);
      const behind = (begins: string) => all[all.findIndex((one) => one.startsWith(begins)) + 1] ?? '';
      const told = behind(isStream === true ? 'Each event (text/event-stream)' : 'Answer (application/json)');
      const what = `${http.method} ${http.path}`;
      const { properties = {} } = z
        .object({ properties: z.looseObject({}).optional() })
        .parse(JSON.parse(told));
      t.same(Object.keys(properties).sort(), Object.keys(answer.shape).sort(), `${what} shows its answer`);
      t.notMatch(told, /\$ref/, what);
      t.match(
        behind('Problem (application/problem+json)'),
        /"unauthenticated",/,
        `${what} shows its problems`,
      );
    }
  t.ok(texts('POST /api/v1/talent/plot-tasks/{task_id}/retry').includes('idempotency-key '));
  t.ok(texts('GET /api/v1/talent/plot-tasks/{task_id}/history').includes('last-event-id '));
  const shown = list?.children.find(
    (one): one is Element =>
      one instanceof Element &&
      one.all().some(({ textContent }) => textContent === 'GET /api/v1/talent/plot-tasks'),
  );
  const button = shown?.all().find(({ textContent }) => textContent === 'Ask');
  button?.click();
  const out = shown?.all().at(-1);
  await until('it is answered', () => out?.textContent.includes('{') === true);
  t.equal(out?.textContent, '200 OK\n{"tasks":[]}');
});
