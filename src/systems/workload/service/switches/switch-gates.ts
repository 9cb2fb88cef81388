/**
 * What a switch forbids, and the gate that chunks of the splitter and batches of the executor pass on this node.
 *
 * Guarantee: whatever passes has looked at the switch in the store behind the gate; so who has shut it (settling.ts) while the switch is off
 * knows that nothing is under way on this node, and that nothing begins.
 */

import type { SwitchName } from '../../switch-names.js';
import type { WorkloadContext } from '../workload-context.js';
import { switchType } from './switch-commands.js';

type Context = Pick<WorkloadContext, 'system' | 'gates'>;

const gateOf = (name: SwitchName) => `switch/${name}`;

/** For who would do much before it passes the gate in vain. */
export async function isOff({ system }: Pick<Context, 'system'>, name: SwitchName): Promise<boolean> {
  return (await system.read(switchType, name)).snapshot.value === 'off';
}

/** Carries out what the switch forbids while it is off. @returns undefined where it is off, and then nothing was done */
export async function whileOn<T>(
  { system, gates }: Context,
  name: SwitchName,
  work: () => Promise<T>,
): Promise<T | undefined> {
  return await gates.pass(gateOf(name), async () => {
    return (await isOff({ system }, name)) ? undefined : await work();
  });
}

/** Nothing that is queued is granted. */
export async function isStrictlyOff({ system }: Pick<Context, 'system'>): Promise<boolean> {
  const { value, context } = (await system.read(switchType, 'executor')).snapshot;
  return value === 'off' && context.strict;
}

/** Carries it out when all that passed are through, and nothing passes meanwhile. */
export function shutting<T>({ gates }: Context, name: SwitchName, work: () => Promise<T>): Promise<T> {
  return gates.shut(gateOf(name), work);
}
