/**
 * What a machine keeps of the payloads of its pilot: each attempt at a job is a process of `src/processes`, and these are the fields
 * that are the pilot's own. The pilot changes `stopping`, `stored` and `outcome`; it removes record and end when its node has
 * taken note of how the attempt came out.
 */

import type { ProcessStart } from '../../../processes/keeper/process-start.js';
import {
  type Checks,
  fits,
  isBoolean,
  isCount,
  isText,
  isTexts,
  isTime,
  orMissing,
} from '../../../processes/records/checks.js';
import type { ProcessKind } from '../../../processes/records/process-kind.js';
import type { ProcessRecord } from '../../../processes/records/process-record.js';
import type { ProcessRecords } from '../../../processes/records/process-records.js';
import type { Grant, PilotTold } from '../wire/pilot-messages.js';

/** One attempt at one job. */
export interface PayloadKey {
  readonly job: string;
  /** Counts from 1, over all grants. */
  readonly attempt: number;
}

/** A grant without its inputs, of which there may be a thousand. */
export type Order = Omit<Grant, 'inputs'>;

export interface PayloadFields extends PayloadKey {
  readonly claim_id: string;
  readonly order: Order;
  /** Which of the pilot's places it has, from 0. */
  readonly slot: number;
  readonly inputs_checked: number;
  /** It has to be over then: milliseconds since boot. Missing when it may take its time. */
  readonly limit_ms?: number;
  /** That, in seconds after its start. */
  readonly limit_seconds?: number;
  /** How long it may neither print nor compute; 0: for ever. */
  readonly looping_seconds: number;
  /** Of its log. */
  readonly log_limit_bytes: number;
  /** Between SIGTERM and SIGKILL. */
  readonly grace_ms: number;
  /** Of one output, bytes; missing when it may be as large as it comes. */
  readonly largest_output?: number;
  /** Somebody wants it ended: why. */
  readonly stopping?: PayloadStop | undefined;
  /** Files that this attempt puts into the storage; absolute. */
  readonly stored: readonly string[];
  /** Its keeper was lost while it ran, and another had been started last. */
  readonly bystander?: boolean;
  /** How it came out, once that is told to the node, and until the node has taken note. */
  readonly outcome?: PilotTold;
}

export interface PayloadStop {
  /** `cancelled`, `stale_claim` or a class of failure. */
  readonly why: string;
  readonly detail: string;
  readonly grace_ms: number;
}

export type PayloadRecord = ProcessRecord<PayloadFields>;
export type PayloadStart = ProcessStart<PayloadFields>;
export type PayloadRecords = ProcessRecords<PayloadKey, PayloadFields>;

const KEY_CHECKS: Checks<PayloadKey> = { job: isText, attempt: isCount };
const STOP_CHECKS: Checks<PayloadStop> = { why: isText, detail: isText, grace_ms: isCount };
const isObject = (value: unknown): boolean => typeof value === 'object' && value !== null;

const FIELD_CHECKS: Checks<PayloadFields> = {
  ...KEY_CHECKS,
  claim_id: isText,
  order: isObject,
  slot: isCount,
  inputs_checked: isCount,
  limit_ms: orMissing(isTime),
  limit_seconds: orMissing(isCount),
  looping_seconds: isCount,
  log_limit_bytes: isCount,
  grace_ms: isCount,
  largest_output: orMissing(isCount),
  stopping: orMissing((value) => fits(value, STOP_CHECKS)),
  stored: isTexts,
  bystander: orMissing(isBoolean),
  outcome: orMissing(isObject),
};

export const PAYLOADS: ProcessKind<PayloadKey, PayloadFields> = {
  noun: 'payload',
  variable: 'OWL_PAYLOAD',
  // There may be many a second, and none outlives a loss of power; of what is lost the node hears by what is missing.
  synced: false,
  nameOf: ({ job, attempt }) => `${job}.${attempt}`,
  keyNamed: (name) => {
    const [, job, attempt] = /^(.+)\.([0-9]+)$/.exec(name) ?? [];
    return job === undefined ? undefined : { job, attempt: Number(attempt) };
  },
  keyIn: (value) => (isKey(value) ? { job: value.job, attempt: value.attempt } : undefined),
  isOwn: (value) => fits(value, FIELD_CHECKS),
};

function isKey(value: object): value is PayloadKey {
  return fits(value, KEY_CHECKS);
}
