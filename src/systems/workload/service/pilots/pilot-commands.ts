/** What operators may want of a pilot, as decisions. Guarantee: what is so already changes nothing. */

import type { PilotSnapshot } from '../../../../../machines/workload/pilot.js';
import { OwlError } from '../../../../base/errors.js';
import type { DomainEvent } from '../../../../runtime/actors/actor-type.js';

type Duty = PilotSnapshot['value']['duty'];

function because(reason: string | undefined): { reason?: string } {
  return reason === undefined ? {} : { reason };
}

/** @throws OwlError kind `not_found` for one that was never there */
function dutyOf({ value, context }: PilotSnapshot, name: string): Duty {
  if (context.sessionId !== null) return value.duty;
  throw new OwlError('not_found', `there is no pilot ${name}`, { reason: 'pilot_not_found' });
}

function assertServes(duty: Duty, name: string): void {
  if (duty !== 'retired') return;
  throw new OwlError('refused', `pilot ${name} is retired; it comes back by attaching`, {
    reason: 'transition_refused',
  });
}

/** Given nothing new; what it runs ends. */
export function drain(pilot: PilotSnapshot, name: string, reason: string | undefined): DomainEvent[] {
  const duty = dutyOf(pilot, name);
  assertServes(duty, name);
  return duty === 'draining' ? [] : [{ type: 'PilotDrainRequested', data: because(reason) }];
}

export function undrain(pilot: PilotSnapshot, name: string, reason: string | undefined): DomainEvent[] {
  const duty = dutyOf(pilot, name);
  assertServes(duty, name);
  return duty === 'in' ? [] : [{ type: 'PilotUndrained', data: because(reason) }];
}

/** Not expected back. */
export function retire(pilot: PilotSnapshot, name: string, reason: string | undefined): DomainEvent[] {
  return dutyOf(pilot, name) === 'retired' ? [] : [{ type: 'PilotRetired', data: because(reason) }];
}
