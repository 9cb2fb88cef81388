/**
 * How every plotter log is read: a list of rules, each a pattern and what a matching line tells; the first that matches
 * counts.
 *
 * Guarantees for every format: a fact is told once and again only when it changes; what a plotter waits for is told once
 * until it gets on, also when it says so again with other numbers; progress never falls; after `finished` nothing is told
 * but that it is taken back. All facts are of one plot: the first that the log names. Lines about another one, which the
 * same process makes before, beside or after it, tell no more than that there is another.
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

/** Of waiting that are remembered; a log with more of them is odd, and is told some again. */
const MOST_KINDS = 100;

export class RuleParser implements PlotLogParser {
  readonly #rules: readonly Rule[];
  #known: Facts = NOTHING;
  /** What it waits for, numbers left out. Empty while it gets on. */
  readonly #waits = new Set<string>();
  /** Lines that name no plot are about another one. */
  #isAtAnother = false;

  constructor(rules: readonly Rule[]) {
    this.#rules = rules;
  }

  feed(line: string): Facts {
    for (const { pattern, tell } of this.#rules) {
      const match = pattern.exec(line);
      if (match) return this.#learn(this.#sinceTheEnd(this.#ofOnePlot(tell(match, this.#known))));
    }
    return NOTHING;
  }

  /** What it tells of the first plot. */
  #ofOnePlot(told: Facts): Facts {
    const { plot_id, notice } = this.#known;
    if (told.plot_id !== undefined && told.plot_id !== plot_id && plot_id !== undefined) {
      this.#isAtAnother = true;
      return notice === undefined ? { notice: otherPlot(told.plot_id, plot_id) } : NOTHING;
    }
    return told.plot_id === undefined && this.#isAtAnother ? NOTHING : told;
  }

  /** What can still be told of a finished plot: that it is none, and that another one follows. */
  #sinceTheEnd(told: Facts): Facts {
    const { finished, failed, notice } = told;
    if (!this.#known.finished) return told;
    if (finished === false) return failed === undefined ? { finished } : { finished, failed };
    return notice === undefined ? NOTHING : { notice };
  }

  #learn({ progress, waiting, ...told }: Facts): Facts {
    const advances = progress !== undefined && progress > (this.#known.progress ?? 0);
    // A plotter that gets on no longer waits, whatever it printed last.
    const standing = advances && this.#known.waiting ? '' : undefined;
    const news = changesOf<Facts>(
      {
        ...textOf('waiting', waiting === undefined ? standing : this.#newWait(waiting)),
        ...told,
        ...(advances ? { progress } : {}),
      },
      this.#known,
    );
    if (news.waiting === '') this.#waits.clear();
    this.#known = { ...this.#known, ...news };
    return news;
  }

  /** Undefined for what differs by its numbers only from what it waits for already. */
  #newWait(waiting: string): string | undefined {
    const kind = waiting.replace(/\d+/g, '0');
    if (this.#waits.has(kind)) return undefined;
    if (this.#waits.size >= MOST_KINDS) this.#waits.clear();
    if (kind !== '') this.#waits.add(kind);
    return waiting;
  }
}

function otherPlot(id: string, first: string): string {
  return `its plotter has begun another plot, ${id}; a task is one plot, so only the first, ${first}, is followed`;
}

function textOf(name: 'waiting', text: string | undefined): Facts {
  return text === undefined ? NOTHING : { [name]: text };
}

function changesOf<F extends object>(told: F, known: Partial<F>): Partial<F> {
  const changes: Partial<F> = {};
  for (const name in told) if (told[name] !== known[name]) changes[name] = told[name];
  return changes;
}
