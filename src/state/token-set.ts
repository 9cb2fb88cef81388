/**
 * A set of tokens that a machine holds in its context, by the ten thousand: who has arrived, who holds a permit, whose turn it is.
 * Each token has a mark, a number or a text: when its lease ends, say; 1 where nothing is to be said of it.
 *
 * Guarantees:
 * - a set never changes: adding and taking away give another one, which shares all but a few nodes with it. So a machine is set
 *   back by keeping the old one, and an event costs the same whether ten tokens are held or a hundred thousand. Whoever chooses
 *   the tokens can't make it slow: they are compared, not hashed;
 * - it is plain JSON, so a snapshot of the machine holds it as it is;
 * - the same additions in the same order give the same JSON, so a replay leads to the very state that was left;
 * - tokens come in order of their UTF-16 units, in which `tokenOfNumber` keeps the order of numbers.
 *
 * It is a B+ tree: tokens and marks stand in leaves, and a branch holds the first token of each of its nodes. Tokens are
 * values in lists and never names of fields, so none is taken for something else by who walks through the state.
 */

export type Mark = number | string;

export interface TokenSet<M extends Mark = number> {
  readonly count: number;
  readonly root: Node<M>;
}

type Node<M> = Leaf<M> | Branch<M>;

interface Leaf<M> {
  /** In order. */
  readonly tokens: readonly string[];
  readonly marks: readonly M[];
}

interface Branch<M> {
  /** Of each node a text that no token of it is below, and that all tokens of the nodes before are; the first one's counts as ''. */
  readonly from: readonly string[];
  readonly nodes: readonly Node<M>[];
}

/** Entries of a node: a leaf of tokens, or a branch of nodes. An addition copies one such list, and one more for each level. */
const MOST_ENTRIES = 32;

/** The empty set, of any mark. */
export const NO_TOKENS: TokenSet<never> = { count: 0, root: { tokens: [], marks: [] } };

/** The set with this token; with another mark where it was there already; the set itself where nothing changes. */
export function withToken<M extends Mark>(set: TokenSet<M>, token: string, mark: M): TokenSet<M> {
  const before = markOf(set, token);
  if (before === mark) return set;
  const [first, second] = put(set.root, token, mark);
  const root = second === undefined ? first : { from: ['', second.from], nodes: [first, second.node] };
  return { count: set.count + (before === undefined ? 1 : 0), root };
}

/** The set without this token; the set itself where it is not there. */
export function withoutToken<M extends Mark>(set: TokenSet<M>, token: string): TokenSet<M> {
  if (!hasToken(set, token)) return set;
  const left = remove(set.root, token);
  return { count: set.count - 1, root: left === undefined ? NO_TOKENS.root : lowered(left) };
}

export function hasToken(set: TokenSet<Mark>, token: string): boolean {
  return markOf(set, token) !== undefined;
}

/** Undefined where the token is not there. */
export function markOf<M extends Mark>({ root }: TokenSet<M>, token: string): M | undefined {
  let node = root;
  while ('nodes' in node) {
    const next = node.nodes[placeIn(node, token)];
    if (next === undefined) return undefined;
    node = next;
  }
  const place = placeOf(node.tokens, token);
  return node.tokens[place] === token ? node.marks[place] : undefined;
}

/** The first token in their order, with its mark; undefined where there is none. */
export function firstToken<M extends Mark>(set: TokenSet<M>): readonly [token: string, mark: M] | undefined {
  for (const entry of tokensOf(set)) return entry;
  return undefined;
}

/** All tokens in their order, with their marks. */
export function tokensOf<M extends Mark>({
  root,
}: TokenSet<M>): Generator<readonly [token: string, mark: M]> {
  return entriesOf(root);
}

/**
 * A token whose order is that of the numbers: a turn in a queue, a time in milliseconds.
 * @param number an integer from 0
 */
export function tokenOfNumber(number: number): string {
  return String(number).padStart(16, '0');
}

function* entriesOf<M extends Mark>(node: Node<M>): Generator<readonly [token: string, mark: M]> {
  if ('nodes' in node) {
    for (const one of node.nodes) yield* entriesOf(one);
    return;
  }
  for (const [place, token] of node.tokens.entries()) {
    const mark = node.marks[place];
    if (mark !== undefined) yield [token, mark];
  }
}

/** The upper half of a node that became too large. */
interface Half<M> {
  readonly from: string;
  readonly node: Node<M>;
}

/** The node with the token, in one or two. */
function put<M extends Mark>(
  node: Node<M>,
  token: string,
  mark: M,
): readonly [node: Node<M>, second?: Half<M>] {
  if ('nodes' in node) return putInto(node, token, mark);
  const place = placeOf(node.tokens, token);
  const replaced = node.tokens[place] === token ? 1 : 0;
  const tokens = replaced === 1 ? node.tokens : spliced(node.tokens, place, 0, [token]);
  const marks = spliced(node.marks, place, replaced, [mark]);
  if (tokens.length <= MOST_ENTRIES) return [{ tokens, marks }];
  const half = halfOf(tokens.length, place);
  const second = { tokens: tokens.slice(half), marks: marks.slice(half) };
  const first = { tokens: tokens.slice(0, half), marks: marks.slice(0, half) };
  return [first, { from: tokens[half] ?? token, node: second }];
}

function putInto<M extends Mark>(
  branch: Branch<M>,
  token: string,
  mark: M,
): readonly [node: Node<M>, second?: Half<M>] {
  const place = placeIn(branch, token);
  const child = branch.nodes[place];
  if (child === undefined) throw new Error('a branch of a token set is empty');
  const [node, grown] = put(child, token, mark);
  if (grown === undefined) return [{ from: branch.from, nodes: spliced(branch.nodes, place, 1, [node]) }];
  const from = spliced(branch.from, place + 1, 0, [grown.from]);
  const nodes = spliced(branch.nodes, place, 1, [node, grown.node]);
  if (nodes.length <= MOST_ENTRIES) return [{ from, nodes }];
  const half = halfOf(nodes.length, place + 1);
  const second = { from: from.slice(half), nodes: nodes.slice(half) };
  const first = { from: from.slice(0, half), nodes: nodes.slice(0, half) };
  return [first, { from: from[half] ?? token, node: second }];
}

/** Tokens that come in their order leave full nodes behind. */
function halfOf(length: number, place: number): number {
  return place === length - 1 ? length - 1 : length >> 1;
}

/** Undefined where nothing is left. A node that becomes small stays so: the next tokens fill it. */
function remove<M extends Mark>(node: Node<M>, token: string): Node<M> | undefined {
  if ('nodes' in node) {
    const place = placeIn(node, token);
    const child = node.nodes[place];
    const left = child && remove(child, token);
    if (left !== undefined) return { from: node.from, nodes: spliced(node.nodes, place, 1, [left]) };
    if (node.nodes.length === 1) return undefined;
    return { from: spliced(node.from, place, 1, []), nodes: spliced(node.nodes, place, 1, []) };
  }
  if (node.tokens.length === 1) return undefined;
  const place = placeOf(node.tokens, token);
  return { tokens: spliced(node.tokens, place, 1, []), marks: spliced(node.marks, place, 1, []) };
}

/** A branch of one node is that node. */
function lowered<M extends Mark>(node: Node<M>): Node<M> {
  const [only, another] = 'nodes' in node ? node.nodes : [];
  return only === undefined || another !== undefined ? node : lowered(only);
}

/** Which node of a branch a token belongs into. */
function placeIn<M>({ from }: Branch<M>, token: string): number {
  let [low, high] = [1, from.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((from[middle] ?? '') <= token) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Where a token is, or would be, in a list in order. */
function placeOf(tokens: readonly string[], token: string): number {
  let [low, high] = [0, tokens.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((tokens[middle] ?? '') < token) low = middle + 1;
    else high = middle;
  }
  return low;
}

function spliced<T>(list: readonly T[], place: number, removed: number, added: readonly T[]): readonly T[] {
  const copy = list.slice();
  copy.splice(place, removed, ...added);
  return copy;
}
