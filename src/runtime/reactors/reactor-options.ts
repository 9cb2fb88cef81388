/** What a `ReactorRunner` runs with: what it rests on, and how much it does at once. */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type { Database } from '../../base/sql.js';
import type { EventStore, RecordedEvent } from '../event-store/event-store.js';
import type { LifeCycle } from '../life-cycle/life-cycle.js';
import type { FollowSettings } from '../readers/follower.js';
import type { KnownHistory } from '../readers/known-history.js';
import type { CommandExecutor, Reactor } from './reactor.js';
import type { SpareCommands } from './reactor-limits.js';

export interface ReactorRunnerOptions extends FollowSettings {
  readonly store: EventStore;
  /** Holds the checkpoint and the parked events. */
  readonly db: Database;
  /** Shared by the readers of one database. */
  readonly history?: KnownHistory | undefined;
  readonly reactor: Reactor;
  readonly executor: CommandExecutor;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle?: LifeCycle | undefined;
  /** Streams whose events are reacted to at the same time. Default 256. */
  readonly streams?: number;
  /** Commands of one event under way at the same time. Default 64. */
  readonly parallel?: number;
  /** What those of many events share. Default 1024, of its own. */
  readonly spare?: SpareCommands;
  /**
   * Events that are held in memory until they are done, and streams that have some. What a stream has beyond that is read again
   * when it is its turn. Default 4096.
   */
  readonly window?: number;
  /** The same in characters of their JSON, about. Default 32 Mi. */
  readonly windowSize?: number;
  /** Of commands that are given lazily it is written how far they are after so many. Default 1000. */
  readonly progressEvery?: number;
  /** How often `react` is tried before the event is parked. Default 3. */
  readonly attempts?: number;
  /** Why this event can't be read, if so: it is parked without being tried. */
  readonly problemOf?: (event: RecordedEvent) => string | undefined;
  /** A checkpoint that moves over nothing of interest is written at most this often. Milliseconds, default 5000. */
  readonly restMs?: number;
}
