/** Nothing of HTTP is loaded without its key. A file of its own, for what another test has loaded stays. */

import { createRequire } from 'node:module';
import t from 'tap';
import { startTalentNode } from '../../../support/talent-node.js';

const loaded = createRequire(import.meta.url).cache;
const isLoaded = () => Object.keys(loaded).some((path) => path.includes('/node_modules/fastify/'));

t.test('nothing of HTTP is loaded, and nothing listens, without its key', async (t) => {
  const { talent } = await startTalentNode(t);
  t.equal(talent.httpAddress, undefined);
  t.notOk(isLoaded());
  const other = await startTalentNode(t, { data: t.testdir({}), config: { http_listen: '127.0.0.1:0' } });
  t.match(other.talent.httpAddress, /^127\.0\.0\.1:[1-9]\d*$/);
  t.ok(isLoaded());
});
