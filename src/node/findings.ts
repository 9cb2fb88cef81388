/** What a check of the configuration finds on this machine, as it is told. */

import { OwlError } from '../base/errors.js';

export interface Finding {
  /** The key that it is about, or what in a table; empty where it is the file of the configuration. */
  readonly path: readonly string[];
  /** For people: what is wrong and what to do. */
  readonly text: string;
  /** A start goes on all the same. */
  readonly isRemark?: boolean;
}

/** One after the other, so that none hides another. */
export class Findings {
  readonly all: Finding[] = [];

  /** @returns undefined where it is refused, which is noted; throws what is no refusal */
  async look<T>(path: readonly string[], act: () => T | Promise<T>): Promise<T | undefined> {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof OwlError)) throw error;
      this.add({ path: keyNamedIn(error.message) ?? path, text: error.message });
      return undefined;
    }
  }

  add(...findings: readonly Finding[]): void {
    this.all.push(...findings);
  }
}

/** The sentence with its key, which some have already. */
export function sentenceOf({ path, text }: Finding): string {
  const key = path.join('.');
  if (key === '') return text;
  return text.startsWith(`${key}:`) || text.startsWith(`${key} `) ? text : `${key}: ${text}`;
}

/** Messages about a file begin with the key that names it. */
function keyNamedIn(message: string): readonly string[] | undefined {
  return /^(tls\.[a-z_]+|token_file): /.exec(message)?.[1]?.split('.');
}
