/**
 * Orders that are sent again: the `Idempotency-Key` of a request becomes the id of its command.
 *
 * Guarantees: the id is made from who asks, method, address and key, so nobody repeats another's order, and a key may be used for
 * another address; what is created gets its id from it. A command is carried out once under its id, and another content under it
 * is refused as `exists`, by the runtime, for a day at least: so a decision is about what its path names or its key makes, and
 * an id in the body beside a key is refused. A key where none counts is refused rather than passed over.
 */

import { hash } from 'node:crypto';
import { IdTakenError, InvalidFieldError, OwlError } from '../../../base/errors.js';
import type { Operation } from '../../operations/operation.js';
import { pathFields } from './read-operation.js';

const HEADER = 'Idempotency-Key';
export const REPLAY_HEADER = 'idempotent-replay';
/** Raising it makes other ids of the same keys. */
const NAMESPACE = 'owl/http-command/1';
/** Plain, or a text of structured headers (`"…"`), as the draft of the header has it. */
const KEY = /^(?:"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255}))$/;

export interface Keyed {
  /** Who asks; empty where nobody is known. */
  readonly identity: string;
  readonly method: string;
  /** As it was asked for, without a query. */
  readonly address: string;
  readonly key: string | undefined;
}

/** The request with what follows from its key. @throws InvalidFieldError */
export function withKey(
  operation: Operation,
  request: Readonly<Record<string, unknown>>,
  { identity, method, address, key: header }: Keyed,
): Readonly<Record<string, unknown>> {
  if (header === undefined) return request;
  const { commandId, creates } = operation;
  if (commandId === undefined)
    throw new InvalidFieldError(HEADER, 'is of no use here: asked again, this changes nothing; leave it out');
  const [, quoted, plain] = KEY.exec(header) ?? [];
  const key = quoted ?? plain;
  if (key === undefined) throw new InvalidFieldError(HEADER, 'must be 1 to 255 visible characters of ASCII');
  for (const field of [commandId, creates])
    if (field !== undefined && isGiven(request[field]))
      throw new InvalidFieldError(field, `is made from the ${HEADER}; leave one of the two out`);
  const id = idOf(['command', identity, method, address, key]);
  return {
    ...request,
    [commandId]: id,
    ...(creates === undefined ? {} : { [creates]: idOf(['created', id]) }),
  };
}

/** Of what was refused: who sent a key never saw the id that was made from it. */
export function withoutId(error: unknown, key: string | undefined): unknown {
  if (key === undefined || !(error instanceof IdTakenError)) return error;
  const { what, now } = error;
  return new OwlError(
    'exists',
    `${HEADER} ${key} was used for ${what} and is not used as ${now}: nothing was done; send it with a key of its own, or what was sent with this one`,
  );
}

/** What a command is about has to follow from its address or its key. @throws Error that names an operation of which it can't */
export function assertKeyable(operation: Operation): void {
  const { service, name, kind, commandId, creates, isOfOneThing } = operation;
  if (kind === 'query' || commandId === undefined || creates !== undefined || isOfOneThing) return;
  if (pathFields(operation).length === 0)
    throw new Error(`${service}/${name}: under one key it could be about this and then about that`);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== '';
}

/** 32 hex digits: an id as every system takes it. */
function idOf(parts: readonly string[]): string {
  return hash('sha256', JSON.stringify([NAMESPACE, ...parts]), 'hex').slice(0, 32);
}
