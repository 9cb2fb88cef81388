/**
 * A stream of answers as server-sent events, or as lines of JSON for those who ask for that.
 *
 * Guarantees: an answer is asked for only once the one before it was taken, so one who reads slowly makes this process hold one
 * answer and what the socket takes; who takes nothing for too long is cut off; who was cut off goes on behind the last id it was
 * given, where the operation has ids. What is wrong before the first answer is told with a status; later, it ends the stream as an
 * event of its own, or as a last line `{"problem": …}`. One with nothing to say says so every now and then, so that a broken connection is noticed.
 */

import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { orAborted, wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { OwlError } from '../../../base/errors.js';
import { Slices } from '../../../base/slices.js';
import type { Problem } from './problem.js';
import { cutOff } from './response-end.js';

export const EVENT_STREAM_TYPE = 'text/event-stream';
export const LINES_TYPE = 'application/x-ndjson';

/** Whether a stream is to come as lines, each of them JSON. */
export function wantsLines(accept: string | undefined): boolean {
  return /\bapplication\/(?:x-)?(?:ndjson|jsonl)\b/.test(accept ?? '');
}

export interface EventStreamLimits {
  /** Milliseconds to take in what was written. Default 60,000. */
  readonly readWithinMs?: number;
  /** Milliseconds without anything to say before a sign of life. Default 15,000. */
  readonly quietMs?: number;
}

export interface StreamedAnswer {
  readonly id: string | undefined;
  readonly data: unknown;
}

export interface EventStreamOptions {
  readonly response: ServerResponse;
  /** Told before anything is written: from then on nobody else answers. */
  readonly begin: () => void;
  readonly headers: Readonly<Record<string, string>>;
  readonly answers: AsyncIterator<StreamedAnswer>;
  /** Instead of server-sent events. */
  readonly asLines: boolean;
  /** Who goes on behind an id: when nothing is left, it is told not to come again. */
  readonly isResumed: boolean;
  readonly problemOf: (error: unknown) => Problem;
  readonly clock: Clock;
  /** Nobody reads any more, or the stream is to end: `denied` is the second of these. */
  readonly over: AbortSignal;
  /** With what it is to be told as: its caller may not go on. */
  readonly denied: AbortSignal;
  readonly limits: EventStreamLimits;
}

export const READ_WITHIN_MS = 60_000;
const QUIET_MS = 15_000;

/** Ends the response, whatever happens. @throws what comes instead of the first answer: nothing was written then */
export async function writeEvents(options: EventStreamOptions): Promise<void> {
  const { response, headers, answers, isResumed } = options;
  try {
    const first = await firstOf(options);
    options.begin();
    if (first.done === true && isResumed) {
      response.writeHead(204, headers).end();
      return;
    }
    // Nothing comes behind it on its connection, so that who stops need not wait for one that is kept.
    response.writeHead(200, {
      ...headers,
      connection: 'close',
      'content-type': options.asLines ? LINES_TYPE : `${EVENT_STREAM_TYPE}; charset=utf-8`,
    });
    response.flushHeaders();
    await writeAll(first, options);
  } finally {
    // Not waited for: one that does not hear of its end would hold this up for ever.
    answers.return?.().catch(() => undefined);
  }
}

async function firstOf({
  answers,
  over,
  denied,
}: EventStreamOptions): Promise<IteratorResult<StreamedAnswer>> {
  try {
    return await orAborted(answers.next(), over);
  } catch (error) {
    if (!over.aborted) throw error;
    if (denied.aborted) throw denied.reason;
    throw new OwlError('unavailable', 'the stream ended before it began; ask again later');
  }
}

async function writeAll(first: IteratorResult<StreamedAnswer>, options: EventStreamOptions): Promise<void> {
  const { response, answers, asLines, problemOf, over, denied } = options;
  const tell = (error: unknown) => {
    const problem = problemOf(error);
    const event = `event: problem\ndata: ${JSON.stringify(problem)}\n\n`;
    response.write(asLines ? `${JSON.stringify({ problem })}\n` : event);
  };
  const quiet = new AbortController();
  const living = signsOfLife(options, AbortSignal.any([over, quiet.signal]));
  try {
    const slices = new Slices();
    for (
      let next = first;
      next.done !== true && !over.aborted;
      next = await orAborted(answers.next(), over)
    ) {
      await write(options, asLines ? `${JSON.stringify(next.value.data)}\n` : textOf(next.value));
      if (slices.isOver()) await slices.next();
    }
  } catch (error) {
    if (!over.aborted) tell(error);
  } finally {
    if (denied.aborted) tell(denied.reason);
    quiet.abort();
    await living;
    response.end();
  }
}

function textOf({ id, data }: StreamedAnswer): string {
  const isLine = id !== undefined && !/[\0\r\n]/.test(id);
  return `${isLine ? `id: ${id}\n` : ''}data: ${JSON.stringify(data)}\n\n`;
}

async function write({ response, over, clock, limits }: EventStreamOptions, text: string): Promise<void> {
  if (response.write(text)) return;
  const inTime = clock.after(limits.readWithinMs ?? READ_WITHIN_MS, () => cutOff(response));
  try {
    await once(response, 'drain', { signal: over });
  } finally {
    inTime();
  }
}

/** Never while something that was written is not taken: then that tells of a broken connection. */
async function signsOfLife(
  { response, asLines, clock, limits }: EventStreamOptions,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    await wait(clock, limits.quietMs ?? QUIET_MS, signal);
    if (!signal.aborted && !response.writableNeedDrain) response.write(asLines ? '\n' : ': still here\n\n');
  }
}
