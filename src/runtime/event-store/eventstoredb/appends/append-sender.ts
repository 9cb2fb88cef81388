/**
 * Sends an append to the node that leads, and again where nothing is lost by it, until there is an answer.
 *
 * Guarantees: an append goes out again only after a node has said that it doesn't lead or isn't ready, and then only if
 * that node has stored nothing or the server recognises the repetition. A failure is told as `refused` only if no
 * attempt can have been carried out: what one of them leaves open, a later one does not close.
 */

import { Backoff } from '../../../../base/backoff.js';
import type { Clock } from '../../../../base/clock.js';
import { OwlError, StoreUnavailableError } from '../../../../base/errors.js';
import { TimeLimits } from '../../../../base/time-limits.js';
import { CallError, explain } from '../connection/call-error.js';
import type { Connection } from '../connection/connection.js';
import type { Link } from '../connection/link.js';
import type { EncodedAppend, WriteAnswer } from './append-messages.js';
import { fits } from './batch-messages.js';
import { appendSingly } from './single-append.js';

export interface Sent {
  readonly answer: WriteAnswer;
  /** An earlier attempt may have stored it. */
  readonly again: boolean;
}

export class AppendSender {
  private readonly connection: Connection;
  private readonly clock: Clock;
  private readonly limits: TimeLimits;

  constructor(connection: Connection, clock: Clock) {
    this.connection = connection;
    this.clock = clock;
    this.limits = new TimeLimits(clock);
  }

  /**
   * @param late says when nobody needs the answer any more
   * @throws OwlError as `EventStore.append` says
   */
  async send(append: EncodedAppend, late: { readonly isEnded: boolean }): Promise<Sent> {
    const deadline = this.connection.deadline();
    let backoff: Backoff | undefined;
    let again = false;
    for (;;) {
      const link = await this.linkFor(append, deadline, again);
      try {
        const answer = await this.connection.on(link, () => this.sendOnce(link, append, deadline));
        return { answer, again };
      } catch (error) {
        if (!(error instanceof CallError)) throw error;
        again ||= error.outcome === 'unknown';
        backoff ??= new Backoff();
        const pause = backoff.next();
        const isOver = this.clock.monotonic() + pause >= deadline || late.isEnded;
        if (!maySendAgain(append, error) || isOver) throw failureOf(append, error, again);
        await this.connection.pause(pause);
      }
    }
  }

  private async linkFor(append: EncodedAppend, deadline: number, again: boolean): Promise<Link> {
    try {
      return await this.connection.link(deadline);
    } catch (error) {
      if (!(error instanceof CallError)) throw error;
      if (again) throw unavailable(append, error, 'unknown');
      throw new StoreUnavailableError(
        `EventStoreDB is away, nothing was appended to ${append.stream}: ${explain(error)}`,
        'refused',
        { cause: error },
      );
    }
  }

  private sendOnce(link: Link, append: EncodedAppend, deadline: number): Promise<WriteAnswer> {
    if (link.batches === undefined || !fits(append)) return appendSingly(link, append, deadline);
    return link.batches.append(append, this.limits, deadline - this.clock.monotonic());
  }
}

/** Where an attempt may have been carried out, the server must recognise the next one from the stream. */
function maySendAgain({ expected }: EncodedAppend, { kind, outcome }: CallError): boolean {
  if (kind !== 'notLeader' && kind !== 'notReady') return false;
  return outcome === 'refused' || (expected !== 'any' && expected !== 'streamExists');
}

/** @param again an attempt may have stored it */
function failureOf(append: EncodedAppend, error: CallError, again: boolean): OwlError {
  const { stream } = append;
  const cause = { cause: error };
  if (again) return unavailable(append, error, 'unknown');
  switch (error.kind) {
    case 'streamDeleted':
      return new OwlError(
        'refused',
        `stream ${stream} was deleted for good and takes no more events; use another id`,
        cause,
      );
    case 'tooLarge':
      return new OwlError(
        'invalid',
        `the append to ${stream} is larger than the server takes (${error.message}); append less at once, or raise MaxAppendSize of the server`,
        cause,
      );
    case 'rejected':
      return new OwlError('invalid', `the server rejects the append to ${stream}: ${error.message}`, cause);
    default:
      return unavailable(append, error, 'refused');
  }
}

function unavailable(
  { stream }: EncodedAppend,
  error: CallError,
  outcome: 'refused' | 'unknown',
): StoreUnavailableError {
  const known =
    outcome === 'unknown' ? 'it is not known whether the append was stored' : 'nothing was appended';
  return new StoreUnavailableError(`EventStoreDB failed at ${stream}, ${known}: ${explain(error)}`, outcome, {
    cause: error,
  });
}
