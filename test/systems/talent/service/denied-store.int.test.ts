/** A talent whose user EventStoreDB no longer lets in: it says so everywhere, and goes on once its credentials file was changed. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { NodeClient } from '../../../../src/wire/node-client.js';
import {
  NODE_CERTIFICATE,
  NODE_KEY,
  TEST_AUTHORITY,
} from '../../../support/eventstoredb-node/certificates.js';
import { startNode } from '../../../support/eventstoredb-stores.js';
import { healthOf } from '../../../support/health.js';
import { orderFor, startTalentNode } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';

await t.test(
  'while it is denied, status and health say so; a new password is taken from the file',
  async (t) => {
    const [old, changed] = [
      { user: 'owl', password: 'old' },
      { user: 'owl', password: 'new' },
    ];
    const tls = { authority: TEST_AUTHORITY, certificate: NODE_CERTIFICATE, key: NODE_KEY };
    const server = await startNode(t, { tls, users: old });
    const directory = t.testdir({ 'ca.pem': TEST_AUTHORITY, credentials: 'owl:old\n' });
    const credentials = join(directory, 'credentials');
    const ca = encodeURIComponent(join(directory, 'ca.pem'));
    const { address, ask } = await startTalentNode(t, {
      data: join(directory, 'data'),
      config: {
        store: `esdb://localhost:${server.address.port}?tlsCaFile=${ca}`,
        store_credentials_file: credentials,
      },
    });
    const operator = new NodeClient({ server: address });
    t.teardown(() => operator.close());
    t.match(await ask('plot_task_create', orderFor('a')), { is_success: true });
    await until('all is well', async () => (await operator.status()).caught_up === true);
    t.equal(await healthOf(address), 'SERVING');

    server.users = changed;
    await until('health says so', async () => (await healthOf(address)) === 'NOT_SERVING');
    const { caught_up, readers = [] } = await operator.status();
    t.notOk(caught_up);
    t.ok(readers.length > 1);
    for (const reader of readers) t.match(reader, { last_error: /\(it denies access/ });
    t.notOk(readers.some((reader) => reader.caught_up));

    await writeFile(credentials, 'owl:new\n');
    await until('it serves again', async () => (await healthOf(address)) === 'SERVING');
    t.match(await ask('plot_task_create', orderFor('b')), { is_success: true });
    t.match(await ask('plot_task_status', { task_id: 'b' }), { existed: true });
    await until('it has caught up', async () => (await operator.status()).caught_up === true);
  },
);
