/** Part of a test double of EventStoreDB: the errors it answers with, in the words and trailers of the server. */

import { status as GrpcStatus, Metadata } from '@grpc/grpc-js';

/** As grpc-js takes it for unary answers and as the error of a stream. */
export interface Refusal {
  readonly code: GrpcStatus;
  readonly details: string;
  readonly metadata: Metadata;
}

export function refusal(code: GrpcStatus, details: string, trailers: Record<string, string> = {}): Refusal {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(trailers)) metadata.set(key, value);
  return { code, details, metadata };
}

export function serverBusy(): Refusal {
  return refusal(GrpcStatus.UNAVAILABLE, 'Server Is Too Busy');
}

export function serverNotReady(): Refusal {
  return refusal(GrpcStatus.UNAVAILABLE, 'Server Is Not Ready');
}

/** Of the server's framework, which looks at no call of a message of this size. */
export function messageTooLarge(): Refusal {
  return refusal(
    GrpcStatus.RESOURCE_EXHAUSTED,
    'Received message exceeds the maximum configured message size.',
  );
}

export function accessDenied(): Refusal {
  return refusal(GrpcStatus.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' });
}

export function streamDeleted(stream: string): Refusal {
  return refusal(GrpcStatus.FAILED_PRECONDITION, `Event stream '${stream}' is deleted.`, {
    exception: 'stream-deleted',
    'stream-name': headerText(stream),
  });
}

export function wrongRevision(operation: string, stream: string, expected: bigint, actual: bigint): Refusal {
  return refusal(
    GrpcStatus.FAILED_PRECONDITION,
    `${operation} failed due to WrongExpectedVersion. Stream: ${stream}, Expected version: ${expected}, Actual version: ${actual}`,
    {
      exception: 'wrong-expected-version',
      'stream-name': headerText(stream),
      'expected-version': String(expected),
      'actual-version': String(actual),
    },
  );
}

export function appendTooLarge(largest: number): Refusal {
  return refusal(GrpcStatus.INVALID_ARGUMENT, `Maximum Append Size of ${largest} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(largest),
  });
}

export function metadataMissing(property: string): Refusal {
  return refusal(GrpcStatus.INVALID_ARGUMENT, `Required Metadata Property '${property}' is missing`, {
    exception: 'missing-required-metadata-property',
    'required-metadata-properties': 'type,content-type',
  });
}

export function timedOut(): Refusal {
  return refusal(GrpcStatus.ABORTED, 'Operation timed out: Commit phase timeout.');
}

export function invalidArgument(details: string): Refusal {
  return refusal(GrpcStatus.INVALID_ARGUMENT, details);
}

/** HTTP headers take ASCII only. */
function headerText(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?');
}
