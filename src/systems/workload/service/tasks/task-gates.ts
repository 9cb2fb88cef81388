/**
 * A gate for each task: grants of its jobs pass it, many at once; an order that ends grants shuts it while it is stored.
 *
 * Guarantees: whoever shuts it does so when all that pass are through, and whoever comes meanwhile waits and looks at the task again.
 * So behind a `TaskCancelRequested` that this node has stored there is no `JobClaimed` of that task by this node, in the order of
 * the whole store; what another node has granted at that moment is cancelled as one that runs (closer.ts). One that waits to shut goes
 * before those that come to pass later, so a cancellation is never starved by claims.
 */

interface Gate {
  passing: number;
  /** Those that shut it or wait to: one after another. */
  shutting: number;
  /** Settles when the last of them is through. */
  turn: Promise<void>;
  /** To be called when nobody passes any more. */
  cleared: () => void;
}

export class TaskGates {
  private readonly gates = new Map<string, Gate>();

  /** @param work looks at the task first */
  async pass<T>(task: string, work: () => Promise<T>): Promise<T> {
    for (
      let shut = this.gates.get(task);
      shut !== undefined && shut.shutting > 0;
      shut = this.gates.get(task)
    )
      await shut.turn;
    const gate = this.gateOf(task);
    gate.passing += 1;
    try {
      return await work();
    } finally {
      gate.passing -= 1;
      if (gate.passing === 0) gate.cleared();
      this.forget(task, gate);
    }
  }

  /** @param work what ends grants of the task, until it is stored */
  async shut<T>(task: string, work: () => Promise<T>): Promise<T> {
    const gate = this.gateOf(task);
    gate.shutting += 1;
    const before = gate.turn;
    let through = () => {};
    gate.turn = new Promise((resolve) => {
      through = resolve;
    });
    try {
      await before;
      if (gate.passing > 0)
        await new Promise<void>((resolve) => {
          gate.cleared = resolve;
        });
      return await work();
    } finally {
      gate.shutting -= 1;
      this.forget(task, gate);
      through();
    }
  }

  private gateOf(task: string): Gate {
    const known = this.gates.get(task);
    if (known !== undefined) return known;
    const made = { passing: 0, shutting: 0, turn: Promise.resolve(), cleared: () => {} };
    this.gates.set(task, made);
    return made;
  }

  private forget(task: string, gate: Gate): void {
    if (gate.passing === 0 && gate.shutting === 0 && this.gates.get(task) === gate) this.gates.delete(task);
  }
}
