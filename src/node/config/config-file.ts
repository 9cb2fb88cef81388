/**
 * Reads one YAML file into plain values and remembers where each key stands, so that whoever checks the values can point
 * at the line.
 *
 * Guarantees: duplicate keys, unknown tags and anything else that YAML lets people get wrong silently are refused; a key that is given
 * twice hides nothing: what else the file holds can be looked at, with the first and with the last of the two; what stands in
 * a list is text as it is written, `-2` and `1e3` and `true` too, for lists hold names and arguments and no numbers.
 */

import { readFileSync } from 'node:fs';
import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  type Pair,
  parseDocument,
  Scalar,
  visit,
} from 'yaml';

export interface ConfigFile {
  readonly values: unknown;
  /**
   * `owl.yaml:3:1` for the key or entry at this path, else for what it belongs to, else for what the file holds; only the file's name when
   * that is nothing.
   */
  place(path: readonly string[]): string;
}

export interface FileFault {
  readonly place: string;
  /** Empty when it is about the file as a whole. */
  readonly path: readonly string[];
  readonly rule: string;
  /** Nobody can tell what was meant with what stands at the path. */
  readonly isOpen: boolean;
}

export interface ReadConfigFile {
  /** None where there are no values to go by; a second one where a key is given twice, with the last of the two. */
  readonly readings: readonly ConfigFile[];
  readonly faults: readonly FileFault[];
}

/** @param name how messages call the file; @param path where it is */
export function readConfigFile(name: string, path: string): ReadConfigFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return nothingOf([name, whyUnreadable(error)]);
  }
  const { document, at } = parse(name, text);
  const faults = [...document.errors, ...document.warnings].map(
    ({ pos, message }) => [at(pos[0]), `is not good YAML: ${message}`] as const,
  );
  if (faults.length > 0) return nothingOf(...faults);
  const twice = leaveOne(document.contents, 'first');
  const documents = [document];
  if (twice.some(({ isOpen }) => isOpen)) {
    const other = parse(name, text).document;
    leaveOne(other.contents, 'last');
    documents.push(other);
  }
  try {
    const readings = documents.map((one) => readingOf(one, name, at));
    const told = twice.map(({ first, again, ...fault }) => {
      const rule = `is given twice; it stands in ${at(first)} too`;
      return { ...fault, place: at(again), rule };
    });
    return { readings, faults: told };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return nothingOf([name, `is not good YAML: ${message}`]);
  }
}

function nothingOf(...faults: (readonly [place: string, rule: string])[]): ReadConfigFile {
  return { readings: [], faults: faults.map(([place, rule]) => ({ place, path: [], rule, isOpen: true })) };
}

function parse(name: string, text: string) {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    // Told by this file itself, so that it ends nothing.
    uniqueKeys: false,
    logLevel: 'silent',
  });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  return { document, at };
}

/** Throws what the library does for what it can't make values of. */
function readingOf(document: Document, name: string, at: (offset: number) => string): ConfigFile {
  keepListsAsWritten(document);
  const place = (path: readonly string[]): string => {
    const offset = offsetOf(document, path);
    return offset === undefined ? name : at(offset);
  };
  return { values: document.toJS(), place };
}

/** A key that is given twice. */
interface Twice {
  readonly path: readonly string[];
  readonly isOpen: boolean;
  readonly first: number;
  readonly again: number;
}

/** Takes out what is given twice, but for one. Sections that are given twice become one, which leaves nothing open. */
function leaveOne(node: unknown, which: 'first' | 'last', path: readonly string[] = []): Twice[] {
  if (isSeq(node)) return node.items.flatMap((item, at) => leaveOne(item, which, [...path, String(at)]));
  if (!isMap(node)) return [];
  const twice: Twice[] = [];
  const left = new Map<string, Pair>();
  for (const pair of node.items) {
    const name = nameOf(pair);
    const other = left.get(name);
    if (other === undefined || which === 'last') left.set(name, pair);
    if (other === undefined) continue;
    const areSections = isMap(other.value) && isMap(pair.value);
    const [first, again] = [offsetOfKey(other), offsetOfKey(pair)];
    twice.push({ path: [...path, name], isOpen: !areSections, first, again });
    if (!isMap(other.value) || !isMap(pair.value)) continue;
    left.set(name, other);
    other.value.items.push(...pair.value.items);
  }
  node.items = [...left.values()];
  return [...twice, ...node.items.flatMap((pair) => leaveOne(pair.value, which, [...path, nameOf(pair)]))];
}

function nameOf({ key }: Pair): string {
  return String(isScalar(key) ? key.value : key);
}

function offsetOfKey({ key }: Pair): number {
  return (isNode(key) ? key.range?.[0] : undefined) ?? 0;
}

/** Where the last of the path stands that is there. */
function offsetOf(document: Document, path: readonly string[]): number | undefined {
  let node: unknown = document.contents;
  let offset = document.contents?.range?.[0];
  for (const name of path) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && key.value === name);
      if (!isScalar(pair?.key)) return offset;
      offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      const entry = node.items[Number(name)];
      if (!isNode(entry)) return offset;
      offset = entry.range?.[0] ?? offset;
      node = entry;
    } else return offset;
  }
  return offset;
}

/** YAML would make numbers and truth values of them, which are written otherwise when they are text again. */
function keepListsAsWritten(document: Document): void {
  visit(document, {
    Seq(_key, { items }) {
      for (const [index, item] of items.entries()) {
        const written = isAlias(item) ? item.resolve(document) : item;
        if (!isScalar(written) || written.source === undefined) continue;
        if (typeof written.value !== 'number' && typeof written.value !== 'boolean') continue;
        // A scalar of its own: elsewhere what an alias names stays what it is.
        const text = new Scalar(written.source);
        text.range = (isNode(item) ? item.range : undefined) ?? null;
        items[index] = text;
      }
    },
  });
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'is a directory, not a file';
  if (code === 'EACCES') return 'may not be read by this user';
  return `can't be read: ${error instanceof Error ? error.message : String(error)}`;
}
