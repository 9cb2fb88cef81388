/** Two pilots of one name: the one that is at work keeps it, whatever the other does, until it has been silent for its lease. */

import t from 'tap';
import { OwlError } from '../../../../../src/base/errors.js';
import { until } from '../../../../support/until.js';
import { SyntheticPilot, startPilot } from '../../support/synthetic-pilot.js';
import { ON_STORES } from '../../support/workload-node.js';

const SHORT = { lease_seconds: 1, give_up_seconds: 60, margin_seconds: 1 };
const TAKEN = {
  kind: 'exists',
  reason: 'pilot_name_taken',
  message: /in another data directory: give this one a name of its own .*wait for the \d+ s of its lease/,
};

for (const [store, start] of Object.entries(ON_STORES)) {
  t.test(`on ${store} another data directory is refused while the pilot is heard`, async (t) => {
    const node = await start(t);
    const first = await startPilot(t, node, { name: 'p1', instance: 'here' });
    const other = new SyntheticPilot(node, { name: 'p1', instance: 'there' });
    await t.rejects(other.attach(), TAKEN);
    await first.beat();
    await node.createJob('j1');
    const grant = await first.take('j1');
    await t.rejects(other.attach(), TAKEN, 'again and again');
    t.match(await first.started(grant), { is_success: true }, 'what it runs is its own');
    const anew = await startPilot(t, node, { name: 'p1', instance: 'here' });
    await anew.beat();
    t.equal(await refusalOf(first.beat()), 'refused', 'in its own directory it begins anew at once');
    await t.rejects(
      new SyntheticPilot(node, { name: 'p1', instance: 'no path/' }).attach(),
      /body\.instance/,
    );
  });

  t.test(`on ${store} one that was silent for its lease is followed by another`, async (t) => {
    const node = await start(t, { config: SHORT });
    await startPilot(t, node, { name: 'p1', instance: 'here' });
    const other = new SyntheticPilot(node, { name: 'p1', instance: 'there' });
    await until('the name is free', async () => (await refusalOf(other.attach())) === undefined);
    await other.beat();
  });
}

t.test('one that says nothing of its directory takes over, and is taken over from', async (t) => {
  const node = await ON_STORES['SQLite']?.(t);
  if (node === undefined) throw new Error('no store');
  for (const instance of ['here', undefined, 'there']) {
    const traits = instance === undefined ? {} : { instance };
    await (await startPilot(t, node, { name: 'p1', ...traits })).beat();
  }
});

/** The kind; undefined when it was taken. */
async function refusalOf(call: Promise<unknown>): Promise<string | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (error instanceof OwlError) return error.kind;
    throw error;
  }
}
