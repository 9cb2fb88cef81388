/**
 * What a node neither serves nor uses costs it nothing: libraries are loaded on first use. A file of its own, for what another
 * test has loaded stays.
 */

import { createRequire } from 'node:module';
import t from 'tap';
import { startTalentNode } from '../../../support/talent-node.js';
import { askAt } from './http-node.js';

const loaded = createRequire(import.meta.url).cache;
const isLoaded = (library: string) =>
  Object.keys(loaded).some((path) => path.includes(`/node_modules/${library}/`));

/** The first one for HTTP, two for EventStoreDB, one for who reads metrics, and the last one for what runs on machines. */
const LIBRARIES = ['fastify', '@eventstore/db-client', 'google-protobuf', 'prom-client', 'pidusage'];

t.test('nothing of HTTP or EventStoreDB is loaded without its key', async (t) => {
  const { talent } = await startTalentNode(t);
  t.equal(talent.httpAddress, undefined, 'nothing listens');
  t.ok(isLoaded('@grpc/grpc-js'), 'what is loaded can be told');
  t.same(LIBRARIES.filter(isLoaded), []);

  const other = await startTalentNode(t, { data: t.testdir({}), config: { http_listen: '127.0.0.1:0' } });
  t.match(other.talent.httpAddress, /^127\.0\.0\.1:[1-9]\d*$/);
  t.same(LIBRARIES.filter(isLoaded), ['fastify']);
  await askAt(other.talent.httpAddress ?? '', 'GET', '/metrics');
  t.same(LIBRARIES.filter(isLoaded), ['fastify', 'prom-client']);

  // As a node with such a store does.
  await import('../../../../src/runtime/event-store/eventstoredb/eventstoredb-store.js');
  t.same(LIBRARIES.filter(isLoaded), [
    ...['fastify', '@eventstore/db-client', 'google-protobuf', 'prom-client'],
  ]);
});
