/** A talent whose clock stands still until the test moves it, and a supervisor `w` with its tasks. */

import type { Test } from 'tap';
import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import type { PlotTaskStatus, SupervisorStatus } from '../../../../src/systems/talent/wire/messages.js';
import { collect } from '../../../support/events.js';
import { ManualClock } from '../../../support/manual-clock.js';
import {
  orderFor,
  startTalentNode,
  type TalentNode,
  type TalentNodeOptions,
} from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';

export const LEASE = 30;
export const GIVE_UP = 600;

export interface Leasing extends TalentNode {
  readonly clock: ManualClock;
  attach(sessionId: string, leaseSeconds?: number): Promise<void>;
  beat(sessionId: string): Promise<void>;
  /** Brings a task of `w` to this status. */
  task(taskId: string, status: string, more?: PlotTaskStatus): Promise<void>;
  /** The remarks of a task, and its status. */
  look(taskId: string): Promise<[status: string | undefined, remarks: string | undefined]>;
  supervisor(): Promise<SupervisorStatus>;
  /** Types of the events of the supervisor's actor. */
  events(): Promise<string[]>;
  advance(seconds: number): void;
  /** Lets leases pass until these tasks have failed. */
  untilFailed(...taskIds: string[]): Promise<void>;
  /** Waits until the supervisor has this status, and its tasks know. */
  untilStatus(status: string): Promise<void>;
}

export async function startLeasing(
  t: Test,
  options: TalentNodeOptions = {},
  clock = new ManualClock(),
): Promise<Leasing> {
  const node = await startTalentNode(t, { clock, ...options });
  const { client, talent, data } = node;
  const supervisor = async () => {
    const { supervisors = [] } = await client.supervisors();
    return supervisors.find(({ worker_id }) => worker_id === 'w') ?? {};
  };
  const look: Leasing['look'] = async (task_id) => {
    const { status, remarks } = await client.status({ task_id });
    return [status, remarks];
  };
  return {
    ...node,
    clock,
    attach: async (session_id, lease_seconds = LEASE) => {
      await client.attach({ worker_id: 'w', session_id, lease_seconds, host: 'plotter-1', pid: 77 });
    },
    beat: async (session_id) => {
      await client.heartbeat({ worker_id: 'w', session_id });
    },
    task: async (task_id, status, more = {}) => {
      await client.create(orderFor(task_id, { worker_id: 'w' }));
      if (status === 'stopping') {
        await client.update({ task_id, status: 'running' });
        await client.stop({ task_id });
      } else await client.update({ task_id, status, ...more });
    },
    look,
    supervisor,
    events: async () => {
      const store = openSqliteEventStore(`${data}/owl.db`);
      try {
        const events = await collect(store.readStream('supervisor-w'));
        return events.map(({ type }) => type.replace('Supervisor', ''));
      } finally {
        await store.close();
      }
    },
    advance: (seconds) => clock.advance(seconds * 1000),
    untilFailed: async (...taskIds) => {
      for (const id of taskIds)
        await until(`${id} fails`, async () => {
          if ((await look(id))[0] === 'failed') return true;
          clock.advance(LEASE * 1000);
          return false;
        });
    },
    untilStatus: async (status) => {
      await until(`the supervisor is ${status}`, async () => (await supervisor()).status === status);
      await until('its tasks know', () => talent.status().reactors.every(({ caughtUp }) => caughtUp));
    },
  };
}

/** When the clock of a test stands at its beginning. */
export function isoAfter(seconds: number): string {
  return new Date(Date.UTC(2024, 0, 1) + seconds * 1000).toISOString();
}
