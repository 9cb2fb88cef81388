/**
 * Reads one YAML file into plain values and remembers where each key stands, so that whoever checks the values can point
 * at the line.
 *
 * Guarantees: duplicate keys, unknown tags and anything else that YAML lets people get wrong silently are refused; what stands in
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
  parseDocument,
  Scalar,
  visit,
} from 'yaml';

export interface ConfigFile {
  readonly values: unknown;
  /** `owl.yaml:3:1` for the key or entry at this path, else for what it belongs to; only the file's name when nothing is found. */
  place(path: readonly string[]): string;
}

export interface FileFault {
  readonly place: string;
  readonly rule: string;
}

/** @param name how messages call the file; @param path where it is */
export function readConfigFile(
  name: string,
  path: string,
): { file: ConfigFile } | { faults: readonly FileFault[] } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    return { faults: [{ place: name, rule: whyUnreadable(error) }] };
  }

  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    stringKeys: true,
    logLevel: 'silent',
  });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };

  const faults = [...document.errors, ...document.warnings].map(({ pos, message }) => ({
    place: at(pos[0]),
    rule: `is not good YAML: ${message}`,
  }));
  if (faults.length > 0) return { faults };

  const place = (path: readonly string[]): string => {
    const offset = offsetOf(document, path);
    return offset === undefined ? name : at(offset);
  };
  keepListsAsWritten(document);
  try {
    return { file: { values: document.toJS(), place } };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { faults: [{ place: name, rule: `is not good YAML: ${message}` }] };
  }
}

/** Where the last of the path stands that is there. */
function offsetOf(document: Document, path: readonly string[]): number | undefined {
  let node: unknown = document.contents;
  let offset: number | undefined;
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
