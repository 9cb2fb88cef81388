/** Leases of a supervisor `w` as nodes of one store keep them. The test's clock stands still until it is moved. */

import { join } from 'node:path';
import type { Test } from 'tap';
import type { supervisorMachine } from '../../machines/talent/supervisor.js';
import { ListeningTime } from '../../src/base/listening-time.js';
import type { Lease } from '../../src/peers/held-leases.js';
import { GO_ON, type LeasePolicy } from '../../src/peers/holder/lease-terms.js';
import { PeerLeases } from '../../src/peers/leases.js';
import { type Handover, SELDOM } from '../../src/peers/peer-kind.js';
import { ActorSystem } from '../../src/runtime/actors/actor-system.js';
import { delegating } from '../../src/runtime/event-store/delegating-store.js';
import type { EventStore, JsonObject } from '../../src/runtime/event-store/event-store.js';
import { openSqliteEventStore } from '../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { LifeCycle } from '../../src/runtime/life-cycle/life-cycle.js';
import { supervisorPeers } from '../../src/systems/talent/service/supervisors/supervisor-type.js';
import { collect } from './events.js';
import { type LogLines, logLines } from './log-lines.js';
import { ManualClock } from './manual-clock.js';

export const LEASE_MS = 30_000;

export type Append = EventStore['append'];

export interface LeaseNode {
  readonly leases: PeerLeases<typeof supervisorMachine>;
  readonly log: LogLines;
  /** That a lease was taken or lost, as it was told: `taken w`. */
  readonly told: readonly string[];
  attach(sessionId: string): Promise<Lease>;
  beat(sessionId: string): Promise<Lease>;
  /** Tells this node everything that is stored, once more. */
  observeAll(): Promise<void>;
}

export interface LeaseNodes {
  readonly clock: ManualClock;
  node(nodeId: string, more?: { readonly shared?: boolean }): LeaseNode;
  /** Types of what is stored of `w`, and who keeps the lease where an event says it: `Attached a`. */
  events(): Promise<string[]>;
  /** What is stored of the newest loss. */
  lost(): Promise<JsonObject>;
}

export interface LeaseNodesOptions {
  /** How the store answers, if not by itself. */
  readonly append?: (proceed: Append) => Append;
  /** Called before each read; what it throws is what the read throws. */
  readonly reads?: () => void;
  readonly handover?: Handover;
  /** Default: they go on. */
  readonly policy?: LeasePolicy;
}

export function leaseNodes(t: Test, options: LeaseNodesOptions = {}): LeaseNodes {
  const {
    append = (proceed) => proceed,
    reads = () => undefined,
    handover = SELDOM,
    policy = GO_ON,
  } = options;
  const kind = { ...supervisorPeers, handover };
  const real = openSqliteEventStore(join(t.testdir(), 'owl.db'));
  const proceed: Append = (...parameters) => real.append(...parameters);
  const store = delegating(real, {
    append: append(proceed),
    async *readStream(...parameters) {
      reads();
      yield* real.readStream(...parameters);
    },
  });
  const clock = new ManualClock();
  const stored = () => collect(real.readStream('supervisor-w'));
  const open: (() => Promise<void>)[] = [];
  t.teardown(async () => {
    for (const close of open) await close();
    await real.close();
  });
  return {
    clock,
    node(nodeId, { shared = true } = {}) {
      const log = logLines();
      const lifeCycle = new LifeCycle(log.logger, clock);
      const told: string[] = [];
      lifeCycle.on('lease taken', ({ id }) => told.push(`taken ${id}`));
      lifeCycle.on('lease lost', ({ id }) => told.push(`lost ${id}`));
      const system = new ActorSystem({ store, clock, shared });
      const listening = new ListeningTime(clock);
      const leases = new PeerLeases({
        kind,
        policy,
        system,
        clock,
        listening,
        logger: log.logger,
        lifeCycle,
        nodeId,
        shared,
      });
      open.push(async () => {
        leases.stop();
        await system.close();
      });
      const given = {
        leaseSeconds: LEASE_MS / 1000,
        host: undefined,
        pid: undefined,
        version: undefined,
        more: {},
      };
      return {
        leases,
        log,
        told,
        attach: (sessionId) => leases.attach({ peerId: 'w', sessionId, ...given }, 'test'),
        beat: (sessionId) => leases.heartbeat('w', sessionId, 'test'),
        observeAll: async () => leases.observe(await stored()),
      };
    },
    lost: async () => (await stored()).findLast(({ type }) => type === 'SupervisorLost')?.data ?? {},
    events: async () =>
      (await stored()).map(({ type, data }) =>
        `${type.replace('Supervisor', '')} ${data['node_id'] ?? ''}`.trim(),
      ),
  };
}
