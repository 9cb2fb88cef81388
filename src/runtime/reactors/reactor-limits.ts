/**
 * How much of what a node can do its reactors may take.
 *
 * Guarantees: commands of reactors keep at most half of the live actors busy, as long as there are two for each reactor, so that what
 * others ask is not refused for them; none of the reactors, and none of the streams that one follows, takes what the others need.
 */

const MOST_STREAMS = 256;
const MOST_SPARE = 2_048;

/**
 * Commands that may be under way at the same time beyond one for each event: those of many events, of all reactors of a node, share
 * them, so that what reactors do leaves room among the live actors for what others ask.
 */
export class SpareCommands {
  private free: number;

  constructor(most: number) {
    this.free = most;
  }

  get areThere(): boolean {
    return this.free > 0;
  }

  take(): void {
    this.free -= 1;
  }

  giveBack(): void {
    this.free += 1;
  }
}

export interface ReactorLimits {
  /** Events that are reacted to at the same time, of a stream each; each of them has a command under way. */
  readonly streams: number;
  readonly spare: SpareCommands;
}

/** Of each of so many. @param liveActors of the node, at the most */
export function reactorLimits(reactors: number, liveActors: number): ReactorLimits {
  const most = Math.floor(liveActors / 4);
  const streams = Math.min(Math.max(Math.floor(most / Math.max(reactors, 1)), 1), MOST_STREAMS);
  return { streams, spare: new SpareCommands(Math.min(most, MOST_SPARE)) };
}
