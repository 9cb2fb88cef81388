/** Where files lie, as people name it: a URL, or a directory of this machine. */

import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { messageOf, OwlError } from '../../../base/errors.js';
import type { Terminal } from '../../../cli/terminal.js';

export const STORAGE_HELP = 'a directory, or a URL file:///…, that node and pilots find at the same path';

/** A URL stands as it is: whether it can be meant the node says. */
export function storageUrl({ cwd }: Pick<Terminal, 'cwd'>, text: string): string {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : pathToFileURL(resolve(cwd, text)).href;
}

/** The directory on this machine. @throws OwlError kind `refused` when it is none */
export function storageDirectory(url: string): string {
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new OwlError('refused', `${url} is no directory of this machine: ${messageOf(error)}`, {
      cause: error,
    });
  }
}
