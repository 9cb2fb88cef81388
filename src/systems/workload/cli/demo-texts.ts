/** The texts of the demo: owl's own docs and licence, cut into files of about the same length. */

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../base/package-root.js';

/** Writes so many files into a directory. */
export function writeTexts(directory: string, count: number): void {
  const docs = join(PACKAGE_ROOT, 'docs');
  const pages = readdirSync(docs).filter((name) => name.endsWith('.md'));
  const paths = [join(PACKAGE_ROOT, 'LICENSE'), ...pages.sort().map((name) => join(docs, name))];
  // What is a word of other letters programs do not agree on.
  const text = paths
    .map((path) => readFileSync(path, 'utf8').replaceAll(/[^\t\n\x20-\x7e]/g, '-'))
    .join('\n');
  const lines = text.split('\n');
  for (let part = 0; part < count; part += 1) {
    const [from, to] = [part, part + 1].map((at) => Math.floor((at * lines.length) / count));
    const name = `text-${String(part + 1).padStart(2, '0')}.txt`;
    writeFileSync(join(directory, name), `${lines.slice(from, to).join('\n')}\n`);
  }
}
