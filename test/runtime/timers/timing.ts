/** A semaphore with ten permits, on which leases end by timers, and timers that stop with the test. */

import type { Test } from 'tap';
import { ActorSystem } from '../../../src/runtime/actors/actor-system.js';
import type { Command } from '../../../src/runtime/actors/actor-type.js';
import type { JsonObject, Position, RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { Timers, type TimersOptions } from '../../../src/runtime/timers/timers.js';
import { collect } from '../../support/events.js';
import { type Projecting, projecting } from '../../support/projecting.js';
import { create, type SemaphoreMachine, semaphore } from '../../support/semaphore.js';

export const STREAM = 'semaphore-s';

export interface Timing extends Projecting {
  readonly system: ActorSystem;
  timers(options?: Partial<TimersOptions>): Timers;
  /** @returns where its event stands */
  submit(command: Command<SemaphoreMachine, JsonObject>): Promise<Position>;
  /** Types and holders of all events of the semaphore but the first, oldest first. */
  history(): Promise<string[]>;
  expirations(): Promise<RecordedEvent[]>;
}

export async function timing(t: Test): Promise<Timing> {
  const around = projecting(t);
  const { store, db, clock, log } = around;
  const system = new ActorSystem({ store, clock });
  await system.execute(semaphore, 's', create(10));
  const all = () => collect(store.readStream(STREAM, { from: 1 }));
  return {
    ...around,
    system,
    timers: (options = {}) => {
      const timers = new Timers({
        store,
        db,
        types: [semaphore],
        executor: system,
        clock,
        logger: log.logger,
        ...options,
      });
      around.onEnd(() => timers.stop());
      return timers;
    },
    submit: async (command) => {
      const { position } = await system.execute(semaphore, 's', command);
      if (position === undefined) throw new Error('the command changed nothing');
      return position;
    },
    history: async () => (await all()).map(({ type, data }) => `${type} ${data['holder']}`),
    expirations: async () => (await all()).filter(({ type }) => type === 'PermitExpired'),
  };
}
