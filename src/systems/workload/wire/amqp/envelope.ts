/**
 * A message of the broker: its properties say what it is, its body is JSON with the fields of pilot-messages.ts.
 *
 * Guarantee: what is too large is not sent; what can't be read, whatever it is, is one kind of error that says what is wrong with it, and
 * no message is looked at before its version is.
 */

import type { Message, Options } from 'amqplib';
import { OwlError } from '../../../../base/errors.js';

export const ENVELOPE_VERSION = 1;
export const LARGEST_BODY_BYTES = 256 * 1024;
const VERSION_HEADER = 'owl-v';
const LONGEST_ID = 255;

/** From a pilot. */
export const PILOT_TYPES = [
  ...['pilot.register', 'pilot.heartbeat', 'pilot.bye', 'log.piece'],
  ...['job.claim', 'job.started', 'job.finished', 'job.failed', 'job.cancelled', 'job.inputs'],
] as const;
export type PilotType = (typeof PILOT_TYPES)[number];

/** To a pilot. */
export const MANAGER_TYPES = [
  ...['pilot.welcome', 'lease', 'job.granted', 'job.refused', 'refused', 'report.taken', 'job.inputs.page'],
  ...['job.cancel', 'pilot.drain', 'log.read'],
] as const;
export type ManagerType = (typeof MANAGER_TYPES)[number];

/** A hint. */
export const JOB_TYPE = 'job';

export interface Envelope {
  readonly type: string;
  /** Of a request: what it does is done once, however often it comes. */
  readonly messageId: string;
  /** Of an answer: the request's. */
  readonly correlationId?: string | undefined;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What is wrong with a message, in a word by which they are counted. */
export const POISON_KINDS = [
  ...['version', 'type', 'message_id', 'size', 'not_json', 'sender', 'fields', 'unknown_job'],
] as const;
export type PoisonKind = (typeof POISON_KINDS)[number];

/** What can't be read, or is about nothing that there is. It is nobody's to try again. */
export class PoisonMessageError extends OwlError {
  override readonly name = 'PoisonMessageError';
  readonly poison: PoisonKind;

  constructor(
    message: string,
    { poison = 'fields', ...options }: ErrorOptions & { poison?: PoisonKind } = {},
  ) {
    super('invalid', message, { ...options, reason: 'poison_message' });
    this.poison = poison;
  }
}

export interface Encoded {
  readonly content: Buffer;
  readonly options: Options.Publish;
}

/** @param now Unix milliseconds. @throws OwlError kind `invalid` when it is too large */
export function encode({ type, messageId, correlationId, body }: Envelope, now: number): Encoded {
  const content = Buffer.from(JSON.stringify(body));
  if (content.length > LARGEST_BODY_BYTES)
    throw new OwlError(
      'invalid',
      `a message ${type} of ${content.length} bytes is more than ${LARGEST_BODY_BYTES}`,
    );
  return {
    content,
    options: {
      ...{ type, messageId, contentType: 'application/json', timestamp: Math.floor(now / 1000) },
      ...(correlationId === undefined ? {} : { correlationId }),
      headers: { [VERSION_HEADER]: ENVELOPE_VERSION },
      ...{ persistent: true, mandatory: true },
    },
  };
}

/** @param types what is understood here. @throws PoisonMessageError */
export function decode<Type extends string>(
  { content, properties }: Pick<Message, 'content' | 'properties'>,
  types: readonly Type[],
): Envelope & { readonly type: Type } {
  const { correlationId, headers } = properties;
  const version: unknown = headers?.[VERSION_HEADER];
  if (version !== ENVELOPE_VERSION)
    throw new PoisonMessageError(
      `header ${VERSION_HEADER} is ${shown(version)}, and ${ENVELOPE_VERSION} is understood`,
      { poison: 'version' },
    );
  const type = types.find((one) => one === properties.type);
  if (type === undefined)
    throw new PoisonMessageError(`type is ${shown(properties.type)}, which is none of ${types.join(', ')}`, {
      poison: 'type',
    });
  const messageId: unknown = properties.messageId;
  if (typeof messageId !== 'string' || messageId === '' || messageId.length > LONGEST_ID)
    throw new PoisonMessageError(`message_id must be a text of 1 to ${LONGEST_ID} characters`, {
      poison: 'message_id',
    });
  const answers = typeof correlationId === 'string' ? { correlationId } : {};
  return { type, messageId, ...answers, body: bodyOf(content) };
}

function bodyOf(content: Buffer): Envelope['body'] {
  if (content.length === 0) throw new PoisonMessageError('the body is empty', { poison: 'size' });
  if (content.length > LARGEST_BODY_BYTES)
    throw new PoisonMessageError(
      `the body has ${content.length} bytes, which is more than ${LARGEST_BODY_BYTES}`,
      { poison: 'size' },
    );
  const body = parsed(content);
  if (isRecord(body)) return body;
  throw new PoisonMessageError('the body is no JSON object', { poison: 'not_json' });
}

function parsed(content: Buffer): unknown {
  try {
    return JSON.parse(content.toString('utf8'));
  } catch (error) {
    throw new PoisonMessageError('the body is not JSON', { cause: error, poison: 'not_json' });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
  if (value === undefined) return 'missing';
  return (JSON.stringify(value) ?? 'unreadable').slice(0, 80);
}
