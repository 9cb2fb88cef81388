/** What the attempts of one pilot work with. */

import type { Logger } from 'pino';
import type { KeeperLink } from '../../../processes/keeper/keeper-link.js';
import type { JobInputs, JobInputsRequest, PilotReportAnswer, PilotTold } from '../wire/pilot-messages.js';
import type { Claims } from './claims.js';
import type { ExecutableTable } from './executables.js';
import type { MemoryBook } from './memory-book.js';
import type { PayloadFields, PayloadKey } from './payload-record.js';
import type { WatchEnvironment } from './running-payload.js';
import type { Storage } from './storage.js';
import type { WorkDirectories } from './work-directory.js';

export interface PayloadSettings {
  readonly device: 'cpu' | 'gpu';
  readonly verify: 'always' | 'first' | 'never';
  readonly grace_seconds: number;
  readonly looping_seconds: number;
  readonly log_limit_mib: number;
}

export interface PayloadEnvironment extends WatchEnvironment {
  readonly settings: PayloadSettings;
  readonly executables: ExecutableTable;
  /** Of the pilot: where programs are looked for, and what declarations name. */
  readonly variables: NodeJS.ProcessEnv;
  readonly storage: Storage;
  readonly works: WorkDirectories;
  readonly claims: Claims;
  readonly keeper: KeeperLink<PayloadKey, PayloadFields>;
  readonly memory: MemoryBook;
  readonly logger: Logger;
  /** How long a storage that is away is tried again in place. */
  readonly storagePatienceMs: number;
  /** The lease: whether something may be begun now. */
  readonly mayAct: () => boolean;
  /** Until when what runs may run, on one confirmation of the lease: milliseconds since boot. */
  readonly actsUntilMs: () => number;
  /** Rejects when the pilot stops before there is an answer. */
  readonly tell: (told: PilotTold) => Promise<PilotReportAnswer>;
  readonly jobInputs: (request: JobInputsRequest) => Promise<JobInputs>;
}
