/** What a pilot is told when it begins, and what it says of itself. */

import type { Logger } from 'pino';
import type { Clock } from '../../../base/clock.js';
import type { OwlError } from '../../../base/errors.js';
import type { ClientCredentials } from '../../../wire/credentials.js';
import type { BrokerPlace } from '../wire/amqp/broker-address.js';
import type { JobSample } from '../wire/pilot-messages.js';
import type { ExecutableTable } from './executables.js';
import type { PayloadSettings } from './payload-environment.js';

export interface PilotSettings extends PayloadSettings {
  /** One pilot of a name at a time, on whatever machine. */
  readonly name: string;
  /** Jobs at a time. */
  readonly slots: number;
  /** That its jobs may ask for in all; 0: it is not looked at. */
  readonly memory_mib: number;
  readonly executables: ExecutableTable;
  /** Directories below which files are read and written. */
  readonly storage_roots: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
  /** Whether what runs goes on when the pilot is told to end, for the next one to take over, or is ended. Default: it goes on. */
  readonly when_stopped?: 'go_on' | 'end';
}

export interface PilotOptions {
  readonly settings: PilotSettings;
  /** Absolute. The pilot has a folder of its own in it. */
  readonly data: string;
  /** HOST:PORT of the node, which may come later. Not looked at where there is a broker. */
  readonly server?: string;
  /** The way to whichever node is there, in place of a server. */
  readonly broker?: BrokerPlace;
  readonly credentials?: ClientCredentials;
  readonly logger: Logger;
  /** As the node sees it. */
  readonly version: string;
  /** The environment: PATH, and what executables name. */
  readonly variables: NodeJS.ProcessEnv;
  /** Aborted when it is told to end, which may be before it has started. */
  readonly interrupted?: AbortSignal;
  /** Default: the system's. */
  readonly clock?: Clock;
  /** How long a storage that is away is tried again in place. Default: a minute. */
  readonly storagePatienceMs?: number;
}

export interface PilotState {
  readonly name: string;
  readonly device: string;
  readonly attached: boolean;
  /** Why it is not attached. */
  readonly reason: string | undefined;
  readonly draining: boolean;
  readonly slots: number;
  readonly slots_used: number;
  readonly jobs_done: number;
  readonly jobs_failed: number;
  readonly jobs: readonly JobSample[];
}

export interface Pilot {
  /** Resolves with the reason when another has its name or its directory; it may never. Then it has to be stopped. */
  readonly lost: Promise<OwlError>;
  status(): PilotState;
  /** What runs goes on, unless it is set that it ends. */
  stop(): Promise<void>;
}
