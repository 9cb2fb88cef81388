/** Where a node says that it answers, for people. */

import t from 'tap';
import { servedAt } from '../../src/cli/run-node.js';

t.test('HTTP is told by an address that a browser can be given', async (t) => {
  const plain = { tls: {} };
  const secured = { tls: { cert: '/c.pem', key: '/k.pem' } };
  t.equal(servedAt(plain, '127.0.0.1:50051', undefined), '127.0.0.1:50051');
  t.equal(servedAt(plain, 'a:1', '127.0.0.1:50080'), 'a:1 and http://127.0.0.1:50080');
  t.equal(servedAt(plain, 'a:1', '0.0.0.0:50080'), 'a:1 and http://127.0.0.1:50080');
  t.equal(servedAt(secured, 'a:1', '[::]:50443'), 'a:1 and https://[::1]:50443');
});
