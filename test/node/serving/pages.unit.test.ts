/** Lists in pages: what is on one, what a token is good for, and that rows which come and go harm no page. */

import t from 'tap';
import { pageOf, pageTokens, readPageSize } from '../../../src/node/serving/pages.js';
import { ofKind } from '../../support/events.js';

interface Row {
  readonly rank: number;
  readonly name: string;
}

const QUERY = { statuses: ['ready'], newest_first: false };
const tokens = pageTokens(QUERY, ['number', 'string']);
const placeOf = ({ rank, name }: Row) => [rank, name];

/** Rows behind a place, in the order of rank and name, as a query by index gives them. */
function behind(rows: readonly Row[], place: readonly (string | number)[] | undefined, limit: number): Row[] {
  const key = ({ rank, name }: Row) => `${String(rank).padStart(4, '0')} ${name}`;
  const after = place === undefined ? '' : key({ rank: Number(place[0]), name: String(place[1]) });
  const inOrder = rows.filter((row) => key(row) > after).sort((a, b) => (key(a) < key(b) ? -1 : 1));
  return inOrder.slice(0, limit);
}

function page(rows: readonly Row[], token: string | undefined, size: number) {
  const found = behind(rows, tokens.read(token), size + 1);
  return pageOf({ rows: found, size, show: ({ name }) => name, placeOf, tokens });
}

t.test(
  'while rows come and go none is shown twice, and none left out that was there all the time',
  async (t) => {
    const rows = Array.from({ length: 40 }, (_, n): Row => ({ rank: n % 5, name: `row-${n}` }));
    const stays = rows.filter((_, n) => n % 3 !== 0);
    let there = [...rows];
    const shown: string[] = [];
    let token: string | undefined;
    for (let turn = 0; ; turn++) {
      const { messages, nextToken } = page(there, token, 7);
      shown.push(...messages);
      if (nextToken === undefined) break;
      token = nextToken;
      const goes = rows.filter((_, n) => n % 3 === 0)[turn];
      there = there.filter((row) => row !== goes);
      there.push({ rank: turn % 5, name: `new-${turn}` });
    }
    t.equal(new Set(shown).size, shown.length, 'none twice');
    for (const { name } of stays) t.ok(shown.includes(name), name);
  },
);

t.test('the last page has no token, be it full or not', async (t) => {
  const rows = Array.from({ length: 6 }, (_, n): Row => ({ rank: n, name: 'a' }));
  const first = page(rows, undefined, 3);
  t.equal(first.messages.length, 3);
  const second = page(rows, first.nextToken, 3);
  t.match(second, { messages: ['a', 'a', 'a'], nextToken: undefined });
  t.match(page([], undefined, 3), { messages: [], nextToken: undefined });
});

t.test('a token is good for the query alone that it was given for', async (t) => {
  const { nextToken = '' } = page(
    [1, 2].map((rank) => ({ rank, name: 'a' })),
    undefined,
    1,
  );
  t.same(tokens.read(nextToken), [1, 'a']);
  t.equal(tokens.read(undefined), undefined);
  t.equal(tokens.read(''), undefined);
  const others = [
    pageTokens({ ...QUERY, newest_first: true }, ['number', 'string']),
    pageTokens({ ...QUERY, statuses: [] }, ['number', 'string']),
    pageTokens(QUERY, ['number']),
    pageTokens(QUERY, ['string', 'string']),
  ];
  for (const other of others) {
    t.throws(() => other.read(nextToken), {
      ...ofKind('invalid'),
      message: 'page_token: must be the next_page_token of a page of the same query',
    });
  }
  for (const text of ['x', 'after-1', nextToken.slice(2), 'bnVsbA', '\u0000', 'A'.repeat(1_000_000)])
    t.throws(() => tokens.read(text), ofKind('invalid'), text.slice(0, 20));
});

t.test('a page has a size with limits', async (t) => {
  t.equal(readPageSize(undefined), 100);
  t.equal(readPageSize(1000), 1000);
  for (const size of [-1, 1001, 1.5, Number.NaN]) t.throws(() => readPageSize(size), ofKind('invalid'));
});

t.test('a page ends before it is larger than peers take, and holds one row at the least', async (t) => {
  const bytes = (count: number) => 'x'.repeat(count);
  const MiB = 1024 * 1024;
  const sizes = [MiB, MiB, MiB, MiB, 5 * MiB, MiB];
  const rows = sizes.map((_, rank): Row => ({ rank, name: 'a' }));
  const given: number[] = [];
  let shows = 0;
  let token: string | undefined;
  do {
    const show = ({ rank }: Row) => {
      shows++;
      return bytes(sizes[rank] ?? 0);
    };
    const found = behind(rows, tokens.read(token), 5);
    const { messages, nextToken } = pageOf({ rows: found, size: 4, show, placeOf, tokens });
    given.push(messages.length);
    token = nextToken;
  } while (token !== undefined);
  t.same(given, [2, 2, 1, 1], 'two with their quotes are below three MiB, three are not');
  t.ok(shows <= 9, 'no row is made a message of for nothing, but the one that is too much');
});
