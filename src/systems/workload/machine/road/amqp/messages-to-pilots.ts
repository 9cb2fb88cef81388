/**
 * What pilots are told over a broker, looked at before anything is made of it.
 *
 * Guarantee: what is no message of its type is poison that says which field is wrong, and nobody acts on a part of it.
 */

import { z } from 'zod';
import { type ErrorKind, isErrorKind, OwlError } from '../../../../../base/errors.js';
import type { PeerLease } from '../../../../../wire/peer-messages.js';
import { PoisonMessageError } from '../../../wire/amqp/envelope.js';
import type { Grant, Hint, JobInputs, PilotReportAnswer, Work } from '../../../wire/pilot-messages.js';
import type { Answer } from './requests.js';

type Body = Answer['body'];

const text = z.string();
const count = z.int().nonnegative();
const input = z.object({
  ...{ uid: text.exactOptional(), idx: count.exactOptional(), file_name: text.exactOptional() },
  ...{ path: text.exactOptional(), size: count.exactOptional() },
  ...{ check_sum: text.exactOptional(), sha256: text.exactOptional() },
});
const inputs = z.array(input);
const output = z.object({ uid: text, file_name: text });

/** The fields that nothing can be done without are there; of others, those that are have their type. */
const GRANT = z.object({
  ...{ job: text.min(1), claim_id: text.min(1), attempt: count, executable: text },
  cur_retry: count.exactOptional(),
  ...{
    task: text.exactOptional(),
    args: text.exactOptional(),
    mode: text.exactOptional(),
    device_type: text.exactOptional(),
  },
  ...{
    seq: count.exactOptional(),
    timeout_seconds: z.number().exactOptional(),
    memory_mib: count.exactOptional(),
  },
  ...{ storage_url: text.exactOptional(), data_out_url: text.exactOptional() },
  data_out_seen: text.exactOptional(),
  ...{ inputs: inputs.exactOptional(), inputs_total: count.exactOptional() },
  ...{ outputs: z.array(output), log: output },
});
const INPUTS = z.object({ inputs, inputs_total: count });
const HINT = z.object({ job: text.min(1).max(255), cur_retry: count.default(0) });
const CANCEL = z.object({
  ...{ job: text.min(1), claim_id: text.min(1) },
  ...{ grace_seconds: z.number().nonnegative().default(0), reason: text.default('') },
});
const READ_LOG = z.object({
  ...{ request_id: text.min(1), job: text.min(1), attempt: count },
  ...{ offset: z.int().default(0), length: count.default(0) },
});
const DRAIN = z.object({ draining: z.boolean().default(true) });
const LEASE = z.object({
  ...{ lease_seconds: z.number().positive(), policy: text },
  ...{ give_up_seconds: z.number().nonnegative(), margin_seconds: z.number().nonnegative() },
  ...{ protocol: count.default(0), draining: z.boolean().optional() },
});
/** With success: what a failure counts as instead. */
const TAKEN = z.object({ reason: text.exactOptional(), msg: text.exactOptional() });
const REFUSAL = z.object({
  ...{ kind: text.default('refused'), reason: text.default(''), msg: text.default('') },
  retryable: z.boolean().default(false),
});

export type LeaseTold = PeerLease & { readonly draining?: boolean | undefined };

export interface Refusal {
  readonly kind: ErrorKind;
  /** Empty: none is told. */
  readonly reason: string;
  readonly msg: string;
  readonly retryable: boolean;
}

export function leaseIn(body: Body): LeaseTold {
  return read(LEASE, body);
}

export function grantIn(body: Body): Grant {
  return read(GRANT, body);
}

export function inputsIn(body: Body): JobInputs {
  return read(INPUTS, body);
}

export function hintIn(body: Body): Hint {
  return read(HINT, body);
}

export function takenIn(body: Body): Pick<PilotReportAnswer, 'reason' | 'msg'> {
  return read(TAKEN, body);
}

export function refusalIn(body: Body): Refusal {
  const { kind, ...more } = read(REFUSAL, body);
  // Of a kind that this version does not know nobody can say that asking again changes nothing.
  return { ...more, kind: isErrorKind(kind) ? kind : 'unavailable' };
}

export function refusalError({ kind, msg, reason }: Refusal): OwlError {
  return new OwlError(kind, msg === '' ? `the node has refused it (${kind})` : msg, {
    reason: reason === '' ? undefined : reason,
  });
}

/** Undefined of what is an answer. @throws PoisonMessageError */
export function workIn({ type, body }: Answer): Work | undefined {
  switch (type) {
    case 'job.cancel':
      return { cancel: read(CANCEL, body) };
    case 'pilot.drain':
      return { drain: read(DRAIN, body).draining };
    case 'log.read':
      return { read_log: read(READ_LOG, body) };
    default:
      return undefined;
  }
}

const CHECKS: Readonly<Partial<Record<Answer['type'], (body: Body) => unknown>>> = {
  'pilot.welcome': leaseIn,
  lease: leaseIn,
  'job.granted': grantIn,
  'job.inputs.page': inputsIn,
  'report.taken': takenIn,
  'job.refused': refusalIn,
  refused: refusalIn,
};

/** Of an answer, before anybody is given it. @throws PoisonMessageError */
export function assertAnswer({ type, body, correlationId }: Answer): void {
  if (correlationId === undefined) throw new PoisonMessageError(`${type} names no request that it answers`);
  CHECKS[type]?.(body);
}

function read<S extends z.ZodType>(schema: S, body: Body): z.output<S> {
  const { data, error } = schema.safeParse(body);
  if (error === undefined) return data;
  const [issue] = error.issues;
  const field = issue === undefined || issue.path.length === 0 ? 'the body' : issue.path.join('.');
  throw new PoisonMessageError(`${field} is not what it must be: ${issue?.message ?? 'unreadable'}`);
}
