/** Many pilots that race for the same jobs: each is granted once. */

import t from 'tap';
import { until } from '../../../../support/until.js';
import { type SyntheticPilot, startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES } from '../../support/workload-node.js';

const PILOTS: Readonly<Record<string, number>> = { SQLite: 64, 'the EventStoreDB double': 24 };

for (const [store, start] of Object.entries(ON_STORES)) {
  t.test(`on ${store} one of ${PILOTS[store]} pilots that race for a job is granted it`, async (t) => {
    const node = await start(t);
    const pilots = await Promise.all(
      Array.from({ length: PILOTS[store] ?? 0 }, (_, n) => startPilot(t, node, { name: `p${n}`, slots: 8 })),
    );
    const uids = Array.from({ length: 2 }, (_, n) => `j${n}`);
    for (const uid of uids) await node.createJob(uid);
    await until('all are queued', () => hinted(pilots).size === uids.length);
    for (const uid of uids) {
      const answers = await Promise.all(pilots.map((pilot) => pilot.claim(uid)));
      t.equal(answers.filter(({ is_success }) => is_success).length, 1, `one has ${uid}`);
      const reasons = new Set(answers.flatMap(({ reason }) => (reason === undefined ? [] : [reason])));
      t.strictSame([...reasons], ['claimed'], 'the others are told that it is taken');
      const events = await node.eventsOf(uid);
      t.equal(events.filter(({ type }) => type === 'JobClaimed').length, 1);
    }
  });
}

function hinted(pilots: readonly SyntheticPilot[]): Set<string> {
  return new Set(pilots.flatMap(({ hints }) => hints));
}
