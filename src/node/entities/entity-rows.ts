/** What entities are read from: the rows of read models, and their own streams. The context of a system has it. */

import type { Database } from '../../base/sql.js';
import type { NodeRuntime } from '../system.js';

export interface EntityRows {
  readonly db: Database;
  /** Resolves when the rows hold everything this node has acknowledged. */
  readonly readYourWrites: () => Promise<void>;
}

export interface EntityStreams {
  readonly runtime: Pick<NodeRuntime, 'store' | 'system'>;
}
