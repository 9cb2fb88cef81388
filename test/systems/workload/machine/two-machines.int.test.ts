/** Two machines, as far as their mounts go: one has a disk mounted, and the other one and the node have the bare mount point. */

import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { until } from '../../../support/until.js';
import { FILES, pilotsWithNode } from '../support/pilots-with-node.js';

const hasNamespaces = spawnSync('unshare', ['-rm', 'true']).status === 0;

t.test(
  'the machine without the mount stores nothing below the mount point, once the other one has stored something there',
  { skip: !hasNamespaces && 'needs a user namespace (unshare -rm)' },
  async (t) => {
    const { client, storage, pilot, submit, jobsOf, ended } = await pilotsWithNode(t);
    const bare = join(storage, 'disk');
    mkdirSync(bare);
    const onDisk = ['unshare', '-rm', 'sh', '-c', 'mount -t tmpfs tmpfs "$0" && exec "$@"', bare];
    await pilot('p1', onDisk);
    t.match(await ended(await submit('upper', 'disk/new')), { state: 'finished', jobs_finished: FILES });
    t.same(readdirSync(bare), [], 'the node does not see the disk');
    await client.orderPilot('drain', { id: 'p1' });
    await pilot('p2');
    const task = await submit('upper', 'disk/new');
    const lost = async () => (await jobsOf(task)).filter(({ losses = 0 }) => losses > 0);
    await until('the other machine has failed with some', async () => (await lost()).length >= 3);
    for (const { failure_class: why } of await lost()) t.equal(why, 'storage_unavailable');
    await client.orderPilot('drain', { id: 'p2' });
    await client.orderPilot('undrain', { id: 'p1' });
    t.match(await ended(task), { state: 'finished', jobs_finished: FILES });
    t.same(readdirSync(bare), [], 'all outputs are on the disk');
  },
);
