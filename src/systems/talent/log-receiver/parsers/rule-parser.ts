/**
 * How every plotter log is read: a list of rules, each a pattern and what a matching line tells; the first that matches
 * counts. Guarantees for every format: a fact is told once and again only when it changes, progress never falls, and
 * after `finished` nothing is told.
 *
 * A parser is deterministic and cheap (20 MB/s together with the line reader, on one slow core; the log of a k32 is
 * 0.2 MB), so it has no state to save: whoever goes on from a byte offset feeds a new parser from the log's begin and
 * reports only what lines past the offset tell.
 */

import { type Facts, NOTHING } from '../facts.js';

export interface PlotLogParser {
  /** @returns what this line newly tells; an empty object when it tells nothing */
  feed(line: string): Facts;
}

export interface Rule {
  /** Anchored at the line's begin, and linear on any input. */
  readonly pattern: RegExp;
  /** @param known all that was told before */
  tell(match: RegExpExecArray, known: Facts): Facts;
}

export class RuleParser implements PlotLogParser {
  readonly #rules: readonly Rule[];
  #known: Facts = NOTHING;

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  feed(line: string): Facts {
    if (this.#known.finished) return NOTHING;
    for (const { pattern, tell } of this.#rules) {
      const match = pattern.exec(line);
      if (match) return this.#learn(tell(match, this.#known));
    }
    return NOTHING;
  }

  #learn({ progress, ...told }: Facts): Facts {
    const advances = progress !== undefined && progress > (this.#known.progress ?? 0);
    const news = changesOf<Facts>(
      {
        // A plotter that gets on no longer waits, whatever it printed last.
        ...(advances && this.#known.waiting ? { waiting: '' } : {}),
        ...told,
        ...(advances ? { progress } : {}),
      },
      this.#known,
    );
    this.#known = { ...this.#known, ...news };
    return news;
  }
}

function changesOf<F extends object>(told: F, known: Partial<F>): Partial<F> {
  const changes: Partial<F> = {};
  for (const name in told) if (told[name] !== known[name]) changes[name] = told[name];
  return changes;
}
