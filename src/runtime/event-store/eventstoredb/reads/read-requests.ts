/** What the server is asked to read. */

import type { Position, StreamName } from '../../event-store.js';
import { shared, streams } from '../connection/protocol.js';
import { parsePosition } from './positions.js';

/** What of $all the server sends. */
export interface Filter {
  readonly on: 'streamName' | 'eventType';
  readonly prefixes?: readonly string[];
  readonly regex?: string;
}

/** Types that begin with $ are the server's own: links, tombstones, metadata, statistics. */
export const NO_SYSTEM_EVENTS: Filter = { on: 'eventType', regex: '^[^$]' };
/** There is no stream without a name. */
const NOTHING: Filter = { on: 'streamName', regex: '^$' };

/** Records that the server looks at for one page of its own, and after which a subscription hears how far it is. */
const SEARCH_WINDOW = 512;

/** Of each category its streams, and their metadata, which says when somebody has deleted one or cut it off. */
export function filterOf(categories: readonly string[] | undefined): Filter {
  if (categories === undefined) return NO_SYSTEM_EVENTS;
  if (categories.length === 0) return NOTHING;
  return { on: 'streamName', prefixes: categories.flatMap((category) => [`${category}-`, `$$${category}-`]) };
}

export interface PageRead {
  readonly stream: StreamName;
  readonly direction: 'forwards' | 'backwards';
  /** Revision, inclusive. Default: the first or the last. */
  readonly from: number | undefined;
  readonly count: number;
}

export function readStreamRequest(read: PageRead): streams.ReadReq {
  const stream = new streams.ReadReq.Options.StreamOptions();
  stream.setStreamIdentifier(new shared.StreamIdentifier().setStreamName(Buffer.from(read.stream, 'utf8')));
  if (read.from !== undefined) stream.setRevision(String(read.from));
  else if (read.direction === 'forwards') stream.setStart(new shared.Empty());
  else stream.setEnd(new shared.Empty());
  return request(
    options(read.direction).setStream(stream).setCount(String(read.count)).setNoFilter(new shared.Empty()),
  );
}

export function readAllRequest(read: {
  readonly direction: 'forwards' | 'backwards';
  /** Forwards begins with the record at this position, backwards with the one before. Default: the first or the last. */
  readonly from?: Position;
  readonly count: number;
  /** Default: every record, the server's own as well. */
  readonly filter?: Filter;
}): streams.ReadReq {
  const { direction, from = '', count, filter } = read;
  const all = options(direction).setAll(allFrom(from, direction)).setCount(String(count));
  return request(
    filter === undefined ? all.setNoFilter(new shared.Empty()) : all.setFilter(filterOptions(filter)),
  );
}

/** @param after position of a record, or START: the subscription begins with what comes after it */
export function subscribeRequest(after: Position, filter: Filter): streams.ReadReq {
  return request(
    options('forwards')
      .setAll(allFrom(after, 'forwards'))
      .setSubscription(new streams.ReadReq.Options.SubscriptionOptions())
      .setFilter(filterOptions(filter)),
  );
}

function request(of: streams.ReadReq.Options): streams.ReadReq {
  return new streams.ReadReq().setOptions(of);
}

function options(direction: 'forwards' | 'backwards'): streams.ReadReq.Options {
  const { FORWARDS, BACKWARDS } = streams.ReadReq.Options.ReadDirection;
  return new streams.ReadReq.Options()
    .setReadDirection(direction === 'forwards' ? FORWARDS : BACKWARDS)
    .setResolveLinks(false)
    .setUuidOption(new streams.ReadReq.Options.UUIDOption().setString(new shared.Empty()));
}

function allFrom(
  position: Position,
  direction: 'forwards' | 'backwards',
): streams.ReadReq.Options.AllOptions {
  const all = new streams.ReadReq.Options.AllOptions();
  const at = parsePosition(position);
  if (at === undefined) {
    return direction === 'forwards' ? all.setStart(new shared.Empty()) : all.setEnd(new shared.Empty());
  }
  const message = new streams.ReadReq.Options.Position();
  return all.setPosition(message.setCommitPosition(at.commit).setPreparePosition(at.prepare));
}

function filterOptions(filter: Filter): streams.ReadReq.Options.FilterOptions {
  const expression = new streams.ReadReq.Options.FilterOptions.Expression();
  if (filter.regex !== undefined) expression.setRegex(filter.regex);
  if (filter.prefixes !== undefined) expression.setPrefixList([...filter.prefixes]);
  const message = new streams.ReadReq.Options.FilterOptions();
  if (filter.on === 'streamName') message.setStreamIdentifier(expression);
  else message.setEventType(expression);
  return message.setMax(SEARCH_WINDOW).setCheckpointintervalmultiplier(1);
}
