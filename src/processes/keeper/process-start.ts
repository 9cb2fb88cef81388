/** What an owner asks its keeper to start. */

import type { Environment } from '../environment.js';
import { type Check, type Checks, fits, isText, isTexts, orMissing } from '../records/checks.js';

/** What the keeper itself needs to know. */
export interface StartFields {
  /** Program and arguments. */
  readonly argv: readonly string[];
  /** Absolute; nothing may be there. */
  readonly log_path: string;
  /** All of the process' environment but its mark; in no record. Default: what every process has. */
  readonly environment?: Environment;
}

/** The owner's fields come into the record as they are. */
export type ProcessStart<Own> = Own & StartFields;

const isEnvironment: Check = (value) =>
  typeof value === 'object' && value !== null && Object.values(value).every(isText);

const START_CHECKS: Checks<StartFields> = {
  argv: isTexts,
  log_path: isText,
  environment: orMissing(isEnvironment),
};

export function isStartFields(value: unknown): value is StartFields {
  return fits(value, START_CHECKS);
}
