/** Which node may run a loop, as its runner sees it. */

export interface LoopLease {
  /**
   * Waits until this node may run the loop; at once while it may.
   * @param lost told once, with the reason, when it may no more
   * @returns undefined when the signal has aborted before
   */
  take(signal: AbortSignal, lost: (reason: Error) => void): Promise<LoopTurn | undefined>;
  /** The store may no longer hold what this node knows of it: the next `take` looks there. */
  doubt(): void;
  /** For another node to take it at once. Never rejects. */
  giveBack(): Promise<void>;
  /** The node that runs it, as far as that is known here. */
  readonly node: string | undefined;
  /** Why it can't be taken or kept at the moment. */
  readonly problem: string | undefined;
}

export interface LoopTurn {
  /** Looks at the clock. */
  mayAct(): boolean;
}

/** Of a loop that runs on each node, or on the only one of its store. */
export const NO_LEASE: LoopLease = {
  take: async (signal) => (signal.aborted ? undefined : { mayAct: () => true }),
  doubt: () => undefined,
  giveBack: async () => undefined,
  node: undefined,
  problem: undefined,
};
