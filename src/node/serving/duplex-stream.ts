/**
 * Two-way streams that are not request and answer: each end says what it has to say when it has it, a worker that is told of work
 * and tells of its slots for instance.
 *
 * Guarantees: a message of the peer is taken only once the one before was; the peer is written no faster than it reads; who has
 * gone is not served; each message is looked at as its caller stands then; when the handler is done the stream ends, and when it
 * throws, with the kind of what it threw.
 */

import type { handleBidiStreamingCall, ServerDuplexStream } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { admissionOf, type Peer, peerOf } from './callers.js';
import { abortedWith, toServiceError, writeAll } from './calls.js';
import type { EncodedMessage } from './encoded.js';
import { TooLargeRequest } from './too-large-request.js';

/**
 * @param talk its messages end when the peer has said all, or is gone: that looks the same for a moment, and then the signal
 *   aborts. What it yields to who has gone is not sent.
 */
export function duplexStream<Request, Response>(
  logger: Logger,
  talk: (
    messages: AsyncIterable<Request>,
    peer: Peer,
    signal: AbortSignal,
  ) => AsyncIterable<Response | EncodedMessage>,
): handleBidiStreamingCall<Request, Response | EncodedMessage> {
  return (call) => {
    const gone = abortedWith(call);
    const said = talk(messagesOf(call, gone), peerOf(call), gone);
    writeAll(call, said, gone).then(
      () => call.end(),
      (error: unknown) => {
        if (!gone.aborted) call.emit('error', toServiceError(error, logger, call.getPath()));
      },
    );
  };
}

async function* messagesOf<Request>(
  call: ServerDuplexStream<Request, unknown>,
  gone: AbortSignal,
): AsyncGenerator<Request> {
  const admission = admissionOf(call);
  const arrived: Request[] = [];
  let isOver = false;
  let wake: () => void = () => undefined;
  const end = () => {
    isOver = true;
    wake();
  };
  call.on('data', (message: Request) => {
    call.pause();
    arrived.push(message);
    wake();
  });
  call.on('end', end);
  gone.addEventListener('abort', end, { once: true });
  while (!gone.aborted) {
    const message = arrived.shift();
    if (message === undefined) {
      if (isOver) return;
      call.resume();
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      continue;
    }
    if (message instanceof TooLargeRequest) throw message.error;
    admission?.check?.(message);
    yield message;
  }
}
