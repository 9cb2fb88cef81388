/**
 * A gate for each of many things, by its name: what goes on under it passes, many at once; what ends that shuts it meanwhile.
 *
 * Guarantees: whoever shuts it does so when all that pass are through, and whoever comes meanwhile waits and looks again. So behind what
 * was stored while it was shut, nothing of what it ends is stored by this process. One that waits to shut goes before those that come to
 * pass later, so it is never starved by them. Other processes have gates of their own.
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

export class Gates {
  private readonly gates = new Map<string, Gate>();

  /** @param work looks first whether it may */
  async pass<T>(name: string, work: () => Promise<T>): Promise<T> {
    for (
      let shut = this.gates.get(name);
      shut !== undefined && shut.shutting > 0;
      shut = this.gates.get(name)
    )
      await shut.turn;
    const gate = this.gateOf(name);
    gate.passing += 1;
    try {
      return await work();
    } finally {
      gate.passing -= 1;
      if (gate.passing === 0) gate.cleared();
      this.forget(name, gate);
    }
  }

  /** @param work ends what passes, and is through once that is stored */
  async shut<T>(name: string, work: () => Promise<T>): Promise<T> {
    const gate = this.gateOf(name);
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
      this.forget(name, gate);
      through();
    }
  }

  private gateOf(name: string): Gate {
    const known = this.gates.get(name);
    if (known !== undefined) return known;
    const made = { passing: 0, shutting: 0, turn: Promise.resolve(), cleared: () => {} };
    this.gates.set(name, made);
    return made;
  }

  private forget(name: string, gate: Gate): void {
    if (gate.passing === 0 && gate.shutting === 0 && this.gates.get(name) === gate) this.gates.delete(name);
  }
}
