/**
 * What went wrong with a call to EventStoreDB, in the few kinds that the adapter acts on. Statuses, trailers and the error
 * details of batch appends are read here and nowhere else.
 */

import { status as GrpcStatus, type Metadata, type ServiceError } from '@grpc/grpc-js';
import { messageOf, type OwlError, StoreUnavailableError } from '../../../../base/errors.js';
import { isAboutCertificate, reasonOfNoConnection } from '../../../../base/grpc-connections.js';
import type { Endpoint } from './connection-string.js';
import { shared, type status } from './protocol.js';

export type CallErrorKind =
  /** This node does not lead; `leader` says who does, where it knows. The call was not carried out. */
  | 'notLeader'
  /** This node starts, stops, or knows of no leader while one is elected. The call was not carried out. */
  | 'notReady'
  /** The server's queue is full. The call was not carried out. */
  | 'busy'
  /** The connection broke, or there is none. */
  | 'lost'
  /** No answer in time. */
  | 'deadline'
  /** The server could not replicate in time. */
  | 'timeout'
  /** Wrong credentials, or too few rights. */
  | 'denied'
  /** The stream has a tombstone. */
  | 'streamDeleted'
  /** The append is larger than the server takes. */
  | 'tooLarge'
  /** The server does not accept the call as it is. */
  | 'rejected'
  /** It was called off on this side. */
  | 'cancelled'
  /** Anything else; the message says what. */
  | 'unexpected';

/** Kinds after which the same call may go through in a moment, perhaps on another node. */
const PASSING: ReadonlySet<CallErrorKind> = new Set([
  'notLeader',
  'notReady',
  'busy',
  'lost',
  'deadline',
  'timeout',
]);
/** Kinds with which a server says that it has not carried out an append. */
const NOT_CARRIED_OUT: ReadonlySet<CallErrorKind> = new Set([
  'notLeader',
  'notReady',
  'busy',
  'denied',
  'streamDeleted',
  'tooLarge',
  'rejected',
]);

export interface CallErrorOptions extends ErrorOptions {
  /** Who leads, where a node that doesn't has said so. */
  readonly leader?: Endpoint;
  /** It is no answer to the call that gets it: see `forOthers`. */
  readonly ambiguous?: boolean;
}

export class CallError extends Error {
  override readonly name = 'CallError';
  readonly kind: CallErrorKind;
  readonly leader: Endpoint | undefined;
  private readonly ambiguous: boolean;

  constructor(kind: CallErrorKind, message: string, options: CallErrorOptions = {}) {
    super(message, options);
    this.kind = kind;
    this.leader = options.leader;
    this.ambiguous = options.ambiguous ?? false;
  }

  get passing(): boolean {
    return PASSING.has(this.kind);
  }

  /** The same as told to calls that it does not answer, which were under way beside the one that it does. */
  forOthers(): CallError {
    const { kind, message, leader, cause } = this;
    return new CallError(kind, message, {
      cause,
      ambiguous: true,
      ...(leader === undefined ? {} : { leader }),
    });
  }

  /** What is known of an append that was sent and got this instead of an answer. */
  get outcome(): 'refused' | 'unknown' {
    return NOT_CARRIED_OUT.has(this.kind) && !this.ambiguous ? 'refused' : 'unknown';
  }
}

/** From whatever a gRPC call failed with. */
export function callErrorOf(error: unknown): CallError {
  if (error instanceof CallError) return error;
  if (!isServiceError(error)) return new CallError('unexpected', messageOf(error), { cause: error });
  const { kind, leader } = classify(error);
  return new CallError(kind, reasonOfNoConnection(error.details), {
    cause: error,
    ...(leader === undefined ? {} : { leader }),
  });
}

/** From the error that a batch append answers with, instead of a status of the call. */
export function batchErrorOf(error: status.Status): CallError {
  const type = error.getDetails()?.getTypeName() ?? '';
  const message = error.getMessage();
  switch (type) {
    case 'event_store.client.StreamDeleted':
      return new CallError('streamDeleted', message);
    case 'event_store.client.AccessDenied':
      return new CallError('denied', message);
    case 'event_store.client.Timeout':
      return new CallError('timeout', message);
    case 'event_store.client.MaximumAppendSizeExceeded':
      return new CallError('tooLarge', `Maximum Append Size of ${largestAppend(error)} Exceeded.`);
    case 'event_store.client.BadRequest':
    case 'event_store.client.InvalidTransaction':
      return new CallError('rejected', message);
    default:
      return new CallError(kindOfText(message) ?? 'unexpected', message);
  }
}

/**
 * As the port tells it, for a call that stores nothing: whatever failed, the store is not there for this caller.
 * @param what the call, for the message
 */
export function unavailable(what: string, error: CallError): OwlError {
  return new StoreUnavailableError(`EventStoreDB can't ${what}: ${explain(error)}`, 'refused', {
    cause: error,
  });
}

/** What happened and what to do about it, in one sentence. */
export function explain(error: CallError): string {
  switch (error.kind) {
    case 'notLeader':
      return 'no node leads at the moment; try again';
    case 'notReady':
      return `it is not ready (${error.message}): a node starts or stops, or a leader is being elected; try again`;
    case 'busy':
      return `it has too much to do (${error.message}); try again later`;
    case 'denied':
      return 'it denies access; check user and password, and the rights of the user';
    case 'deadline':
      return 'it did not answer in time; try again';
    case 'timeout':
      return `it did not finish in time (${error.message}); try again`;
    default:
      return isAboutCertificate(error.message)
        ? `its certificate is not believed (${error.message}); name the authority that signed it as tlsCaFile in the connection string, and the node as its certificate does`
        : error.message;
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'details' in error;
}

function classify(error: ServiceError): { kind: CallErrorKind; leader?: Endpoint } {
  switch (trailer(error.metadata, 'exception')) {
    case 'not-leader':
      return { kind: 'notLeader', ...leaderIn(error.metadata) };
    case 'access-denied':
      return { kind: 'denied' };
    case 'stream-deleted':
      return { kind: 'streamDeleted' };
    case 'maximum-append-size-exceeded':
    case 'maximum-append-event-size-exceeded':
      return { kind: 'tooLarge' };
    default:
      return { kind: kindOfText(error.details) ?? kindOfStatus(error.code) };
  }
}

function kindOfStatus(code: GrpcStatus): CallErrorKind {
  switch (code) {
    case GrpcStatus.UNAVAILABLE:
    case GrpcStatus.CANCELLED:
    case GrpcStatus.INTERNAL:
    // The library's word for a connection or a call that was ended because it asked too much; the server itself has none.
    case GrpcStatus.RESOURCE_EXHAUSTED:
      return 'lost';
    case GrpcStatus.DEADLINE_EXCEEDED:
      return 'deadline';
    case GrpcStatus.ABORTED:
      return 'timeout';
    case GrpcStatus.PERMISSION_DENIED:
    case GrpcStatus.UNAUTHENTICATED:
      return 'denied';
    case GrpcStatus.INVALID_ARGUMENT:
    case GrpcStatus.FAILED_PRECONDITION:
    case GrpcStatus.UNIMPLEMENTED:
      return 'rejected';
    default:
      return 'unexpected';
  }
}

/** Where the server says it in words only. */
function kindOfText(text: string): CallErrorKind | undefined {
  if (/^server is not ready/i.test(text)) return 'notReady';
  if (/^server is (too )?busy/i.test(text)) return 'busy';
  if (/^received message exceeds the maximum/i.test(text)) return 'tooLarge';
  if (/^no leader info available/i.test(text)) return 'notLeader';
  return undefined;
}

function leaderIn(metadata: Metadata): { leader?: Endpoint } {
  const host = trailer(metadata, 'leader-endpoint-host');
  const port = Number(trailer(metadata, 'leader-endpoint-port'));
  return host === undefined || !Number.isInteger(port) ? {} : { leader: { host, port } };
}

function trailer(metadata: Metadata, key: string): string | undefined {
  const [value] = metadata.get(key);
  return value?.toString();
}

function largestAppend(error: status.Status): number {
  const bytes = error.getDetails()?.getValue_asU8() ?? new Uint8Array();
  return shared.MaximumAppendSizeExceeded.deserializeBinary(bytes).getMaxappendsize();
}
