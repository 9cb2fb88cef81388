/**
 * Reads one YAML file into plain values and remembers where each key stands, so that whoever checks the values can point
 * at the line. Duplicate keys, unknown tags and anything else that YAML lets people get wrong silently are refused.
 */

import { readFileSync } from 'node:fs';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';

export interface ConfigFile {
  readonly values: unknown;
  /** `owl.yaml:3:1` for the key at this path; only the file's name when the key can't be found. */
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
    const parent = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
    const pair = isMap(parent)
      ? parent.items.find(({ key }) => isScalar(key) && key.value === path.at(-1))
      : undefined;
    const range = isScalar(pair?.key) ? pair.key.range : undefined;
    return range ? at(range[0]) : name;
  };
  try {
    return { file: { values: document.toJS(), place } };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { faults: [{ place: name, rule: `is not good YAML: ${message}` }] };
  }
}

function whyUnreadable(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'is a directory, not a file';
  if (code === 'EACCES') return 'may not be read by this user';
  return `can't be read: ${error instanceof Error ? error.message : String(error)}`;
}
