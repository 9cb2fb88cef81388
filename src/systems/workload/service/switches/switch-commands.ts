/** Switches as actors, and what may be wanted of one. Guarantee: as it is already, it stays as it is, and keeps who did it and since when. */

import {
  SWITCH_EVENTS,
  type SwitchEvent,
  type SwitchSnapshot,
  switchMachine,
} from '../../../../../machines/workload/switch.js';
import type { ActorType } from '../../../../runtime/actors/actor-type.js';
import type { SwitchName } from '../../switch-names.js';

/** By its name: there are two. */
export const switchType: ActorType<typeof switchMachine> = {
  category: 'wl_switch',
  version: 2,
  machine: switchMachine,
  events: SWITCH_EVENTS,
};

export interface Switching {
  readonly enabled: boolean;
  readonly strict: boolean;
  readonly reason: string | undefined;
}

export function switchTo(
  { value, context }: SwitchSnapshot,
  name: SwitchName,
  { enabled, strict, reason }: Switching,
): SwitchEvent[] {
  const because = reason === undefined ? {} : { reason };
  if (enabled) return value === 'on' ? [] : [{ type: 'SwitchedOn', data: { switch: name, ...because } }];
  if (value === 'off' && context.strict === strict) return [];
  return [{ type: 'SwitchedOff', data: { switch: name, strict, ...because } }];
}

/** Nothing of what it forbids is under way any more, looked at as strictly as that. Nothing where that was not all, or was said before. */
export function settle({ value, context }: SwitchSnapshot, name: SwitchName, strict: boolean): SwitchEvent[] {
  const isDue = value === 'off' && !context.settled && context.strict === strict;
  return isDue ? [{ type: 'SwitchSettled', data: { switch: name } }] : [];
}
