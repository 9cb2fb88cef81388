/** How the timers of a node are. */

import type { ProjectorStatus } from '../read-models/projector.js';

export interface TimersStatus {
  readonly projector: ProjectorStatus;
  /** Set, and not fired yet. */
  readonly pending: number;
  /** When one is due next, or to be tried again. Milliseconds since the Unix epoch; undefined when nothing is due later. */
  readonly nextDueAt: number | undefined;
  /** Due and being fired, or waiting to be fired again. */
  readonly firing: number;
  /** Of those due: they have failed and are tried again. With many of them most are not being fired meanwhile. */
  readonly failing: number;
  /** How late the oldest timer is that is due and not carried out. Milliseconds; 0 when none is due. */
  readonly lateMs: number;
  /** How late one was at the most when it was carried out, within the last minute or two. Milliseconds. */
  readonly mostLateMs: number;
  readonly lastError: string | undefined;
}
