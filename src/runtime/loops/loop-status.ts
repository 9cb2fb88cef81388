/** What a loop does, and why it waits. */

export interface LoopStatus {
  readonly name: string;
  /**
   * - `waiting`: for its read models, which don't hold yet what was stored;
   * - `elsewhere`: another node runs it, or may;
   * - `running`: in a round;
   * - `resting`: there is nothing to do until then;
   * - `failing`: the last round failed and is tried again then;
   * - `ended`
   */
  readonly state: 'waiting' | 'elsewhere' | 'running' | 'resting' | 'failing' | 'ended';
  /** When it came to that. Milliseconds since the Unix epoch, as the next. */
  readonly since: number;
  /** The next round comes then at the latest; undefined: with the next event, or nobody knows. */
  readonly until: number | undefined;
  /** Why it waits, failed or can't have its lease. For people. */
  readonly why: string | undefined;
  /** The node that runs it, where it runs on one at a time and that is known. */
  readonly node: string | undefined;
  /** Rounds that were finished since this node began. */
  readonly rounds: number;
  /** Failures since the last round that was finished. */
  readonly failures: number;
}

/** In one sentence without its times, for people. */
export function sentenceOf({ state, why, node, failures }: LoopStatus): string {
  if (state === 'waiting') return 'waits for its read models';
  if (state === 'running') return 'in a round';
  if (state === 'resting') return withReason('nothing to do', why);
  if (state === 'failing')
    return withReason(failures === 1 ? 'failed once' : `failed ${failures} times`, why);
  if (state === 'ended') return 'ended';
  return node === undefined
    ? withReason('waits for its lease', why)
    : withReason(`node ${node} runs it`, why);
}

function withReason(what: string, why: string | undefined): string {
  return why === undefined ? what : `${what}: ${why}`;
}
