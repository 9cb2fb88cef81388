/**
 * What a switch forbids passes its gate; who switches it off shuts the gate until that is stored.
 *
 * Guarantees: behind the answer that the splitter is off there is no `TaskJobsPlanned`, behind that of the executor no `JobQueued`, and where
 * it is strictly off no `JobClaimed`, in the order of the whole store: what passes on this node is waited for, and whoever comes
 * later looks at the switch as the store has it. Another node does so too right before each chunk, batch and grant; so there no
 * more can come behind the answer than the one that it was about to store at that moment.
 */

import type { SwitchName } from '../../switch-names.js';
import type { WorkloadContext } from '../workload-context.js';
import { switchType } from './switch-commands.js';

type Context = Pick<WorkloadContext, 'system' | 'gates'>;

const gateOf = (name: SwitchName) => `switch/${name}`;
/** Apart from batches of the executor, one of which may wait for a broker. */
const GRANTS = 'switch/grants';

/** Carries out what the switch forbids while it is off. @returns undefined where it is off, and then nothing was done */
export async function whileOn<T>(
  { system, gates }: Context,
  name: SwitchName,
  work: () => Promise<T>,
): Promise<T | undefined> {
  return await gates.pass(gateOf(name), async () => {
    const { value } = (await system.read(switchType, name)).snapshot;
    return value === 'off' ? undefined : await work();
  });
}

/** Carries out a grant. @returns undefined where the executor is strictly off */
export async function whileGranted<T>(context: Context, work: () => Promise<T>): Promise<T | undefined> {
  return await context.gates.pass(GRANTS, async () =>
    (await isStrictlyOff(context)) ? undefined : await work(),
  );
}

/** Nothing that is queued is granted. */
export async function isStrictlyOff({ system }: Pick<Context, 'system'>): Promise<boolean> {
  const { value, context } = (await system.read(switchType, 'executor')).snapshot;
  return value === 'off' && context.strict;
}

/** @param store that it is off */
export function shutting<T>({ gates }: Context, name: SwitchName, store: () => Promise<T>): Promise<T> {
  return gates.shut(gateOf(name), () => (name === 'executor' ? gates.shut(GRANTS, store) : store()));
}
