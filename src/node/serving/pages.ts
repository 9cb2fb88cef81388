/**
 * Lists in pages: how much is on one, and how the next one is asked for.
 *
 * Guarantees: a token is opaque, and good for the query alone that it was given for; with any other it is refused. A page goes
 * on behind the place of the last row that was on the one before, so while rows come and go none is shown twice and none is
 * left out that was there all the time. That rests on the caller: a place is what the list is ordered by, no two rows have
 * the same, and a row never changes its own. A page is no larger than what gRPC peers take without being asked, one row apart.
 */

import { hash } from 'node:crypto';
import { InvalidFieldError } from '../../base/errors.js';
import { isWhole, optionalNumber } from '../../base/field-rules.js';
import type { JsonObject } from '../../runtime/event-store/event-store.js';

const USUAL_PAGE = 100;
const LARGEST_PAGE = 1000;
/** gRPC peers take messages of 4 MiB unless they ask for more. */
const LARGEST_PAGE_BYTES = 3 * 1024 * 1024;
const DIGEST_CHARACTERS = 16;
const LONGEST_TOKEN = 4096;

/** Rows on a page: what was asked for, or 100. @throws InvalidFieldError unless it is 1 to 1000 */
export function readPageSize(given: number | undefined, field = 'page_size'): number {
  return optionalNumber(field, given, isWhole(1, LARGEST_PAGE)) ?? USUAL_PAGE;
}

/** How a place in a list is told to whoever asks for the next page. */
export interface PageTokens<Place> {
  write(place: Place): string;
  /** Undefined where the first page is asked for. @throws InvalidFieldError */
  read(token: string | undefined): Place | undefined;
}

/** The values of a row that its list is ordered by, in that order; together they are its alone. */
export type Place = readonly (string | number)[];

/**
 * @param query all that makes the list what it is, order included; no page size, which may change on the way. The same query
 *   has its fields in the same order.
 * @param kinds of the values of a place
 */
export function pageTokens(
  query: JsonObject,
  kinds: readonly ('string' | 'number')[],
  field = 'page_token',
): PageTokens<Place> {
  const digest = hash('sha256', JSON.stringify(query), 'base64url').slice(0, DIGEST_CHARACTERS);
  return {
    write: (place) => Buffer.from(JSON.stringify([digest, ...place])).toString('base64url'),
    read: (token) => {
      if (token === undefined || token === '') return undefined;
      const [given, ...place] = partsOf(token);
      if (given !== digest || !isPlace(place, kinds))
        throw new InvalidFieldError(field, `must be the next_${field} of a page of the same query`);
      return place;
    },
  };
}

/** Nothing of what is no token at all. */
function partsOf(token: string): readonly unknown[] {
  if (token.length > LONGEST_TOKEN) return [];
  try {
    const parts: unknown = JSON.parse(Buffer.from(token, 'base64url').toString('utf8'));
    return Array.isArray(parts) ? parts : [];
  } catch {
    return [];
  }
}

function isPlace(values: readonly unknown[], kinds: readonly string[]): values is Place {
  return values.length === kinds.length && values.every((value, i) => typeof value === kinds[i]);
}

export interface PageOptions<Row, Message, At> {
  /** Behind the place that was asked for, in order: one more than `size` where there are so many, which tells of another page. */
  readonly rows: readonly Row[];
  readonly size: number;
  show(row: Row): Message;
  placeOf(row: Row): At;
  readonly tokens: PageTokens<At>;
}

export interface Page<Message> {
  readonly messages: readonly Message[];
  /** Undefined on the last page. */
  readonly nextToken: string | undefined;
}

/** As many rows as fit, one at the least. Their JSON is never shorter than what goes over the wire. */
export function pageOf<Row, Message, At>(options: PageOptions<Row, Message, At>): Page<Message> {
  const { rows, size, show, placeOf, tokens } = options;
  const messages: Message[] = [];
  let left = LARGEST_PAGE_BYTES;
  let last: Row | undefined;
  for (const row of rows.slice(0, size)) {
    const message = show(row);
    left -= Buffer.byteLength(JSON.stringify(message));
    if (left < 0 && messages.length > 0) break;
    messages.push(message);
    last = row;
  }
  const isLast = last === undefined || messages.length === rows.length;
  return { messages, nextToken: isLast || last === undefined ? undefined : tokens.write(placeOf(last)) };
}
