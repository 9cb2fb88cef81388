/**
 * The lease of a supervisor as the documents have it, told once more: attached, lost, returned, detached. Shares nothing with the
 * machine and the projection that it checks.
 */

import type { Row } from './sqlite-files.js';
import type { StoredEvent, Value } from './stored-event.js';

type State = 'detached' | 'attached' | 'lost';

const MOVES: Readonly<Record<string, { from: readonly State[]; to: State }>> = {
  SupervisorAttached: { from: ['detached', 'attached', 'lost'], to: 'attached' },
  SupervisorLeaseKept: { from: ['attached'], to: 'attached' },
  SupervisorLost: { from: ['attached'], to: 'lost' },
  SupervisorReturned: { from: ['lost'], to: 'attached' },
  SupervisorDetached: { from: ['attached', 'lost'], to: 'detached' },
};

const ATTACHED = [
  'worker_id',
  'session_id',
  'host',
  'pid',
  'program_version',
  'lease_seconds',
  'node_id',
  'attached_time',
];
const CHANGED = ['node_id', 'lost_time', 'returned_time', 'detached_time', 'reason'];

export class SupervisorLife {
  private state: State = 'detached';
  private values: Record<string, Value> = {};

  /** Takes an event; what is illegal about it, if anything. */
  take({ type, data, revision }: StoredEvent): string | undefined {
    const move = MOVES[type];
    if (move === undefined) return `${type} is no event of a supervisor`;
    const problem = this.problemOf(type, data, move.from);
    this.state = move.to;
    if (type === 'SupervisorAttached')
      this.values = Object.fromEntries(ATTACHED.map((name) => [name, data[name] ?? null]));
    for (const name of CHANGED) if (data[name] !== undefined) this.values[name] = data[name];
    this.values['revision'] = revision;
    if (type !== 'SupervisorLeaseKept') {
      this.values['status'] = this.state;
      this.values['status_revision'] = revision;
    }
    return problem;
  }

  row(): Row {
    return { ...this.values };
  }

  private problemOf(type: string, data: StoredEvent['data'], from: readonly State[]): string | undefined {
    if (!from.includes(this.state)) return `${type} of a supervisor that is ${this.state}`;
    const { session_id: session } = this.values;
    if (type !== 'SupervisorAttached' && data['session_id'] !== session)
      return `${type} of session ${data['session_id']} while ${session} holds the lease`;
    return undefined;
  }
}
