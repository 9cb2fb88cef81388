/**
 * Where files lie: `file:///` and an absolute path, percent-encoded as in every URL, below a directory that owl was told of.
 *
 * Guarantee: what has passed names one directory, below one of the roots by its text. Links are followed by nobody here: who opens
 * something looks where it really is.
 */

import { normalize } from 'node:path';
import { InvalidFieldError } from '../../base/errors.js';
import type { TextRule } from '../../base/field-rules.js';

const SCHEME = 'file://';
const LONGEST = 255;
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}]/u;

/**
 * What of a storage URL is wrong, or undefined.
 * @param roots absolute paths
 */
export function storageProblem(url: string, roots: readonly string[]): string | undefined {
  if ([...url].length > LONGEST) return `must be at most ${LONGEST} characters`;
  if (!url.startsWith(`${SCHEME}/`)) return 'must begin with file:/// and an absolute path, without a host';
  if (/[?#]/.test(url)) return 'must hold no ? or #; in a path they are %3F and %23';
  const path = decoded(url.slice(SCHEME.length));
  if (path === undefined) return 'must have two hex digits behind each %';
  if (CONTROL.test(path)) return 'must hold no NUL, line break or other control character';
  if (path.split('/').includes('..')) return 'must not hold ..';
  if (roots.some((root) => isBelow(path, root))) return undefined;
  return `must lie below workload.storage_roots (${roots.join(', ')})`;
}

/** The same as a rule of a field. */
export const isStorageUrl =
  (roots: readonly string[]): TextRule =>
  (url) =>
    storageProblem(url, roots);

/** @throws InvalidFieldError */
export function assertStorageUrl(field: string, url: string, roots: readonly string[]): string {
  const problem = storageProblem(url, roots);
  if (problem !== undefined) throw new InvalidFieldError(field, problem);
  return url;
}

/** The absolute path that it names, without a slash at its end. @param url has passed the rule */
export function directoryOf(url: string): string {
  return withoutSlash(decoded(url.slice(SCHEME.length)) ?? '/');
}

/** By their text. Both are absolute; a directory is below itself. */
export function isBelow(path: string, root: string): boolean {
  const [inner, outer] = [withoutSlash(path), withoutSlash(root)];
  return outer === '/' || inner === outer || inner.startsWith(`${outer}/`);
}

function withoutSlash(path: string): string {
  const normal = normalize(path);
  return normal.length > 1 && normal.endsWith('/') ? normal.slice(0, -1) : normal;
}

function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined;
  }
}
