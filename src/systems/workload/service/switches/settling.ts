/**
 * That what a switch forbids has ended on all nodes is said by the node that runs it: splitter and executor are loops with a lease, so
 * nobody else plans or queues. It stands in the switch's own stream, where whoever has switched it off waits for it (switches.ts).
 *
 * Guarantees: it is said behind the gate that chunks and batches pass, by who holds the lease then: what this node had under way has
 * ended, what another had before it ended with its lease, and whoever comes later looks at the switch in the store. Where the executor
 * is strictly off all that is queued was taken back before, job by job: a grant that some node was about to store finds a job that is
 * not queued any more, whatever it has seen of the switch. A round of the loop that fails, or waits, holds none of it up.
 */

import { idOf, type RecordedEvent } from '../../../../runtime/event-store/event-store.js';
import type { LoopContext } from '../../../../runtime/loops/loop.js';
import type { SwitchName } from '../../switch-names.js';
import type { WorkloadContext } from '../workload-context.js';
import { settle, switchType } from './switch-commands.js';
import { shutting } from './switch-gates.js';

type Context = Pick<WorkloadContext, 'system' | 'gates' | 'logger'>;

/** Of the loop that does what the switch forbids; its `begin`, `applied` and `round` call those of this. */
export class Settling {
  private readonly context: Context;
  private readonly name: SwitchName;
  private readonly takeBack: (term: LoopContext) => Promise<void>;
  private term: LoopContext | undefined;
  private isDue = false;

  /** @param takeBack what is queued, where it is strictly off */
  constructor(
    context: Context,
    name: SwitchName,
    takeBack: (term: LoopContext) => Promise<void> = async () => undefined,
  ) {
    this.context = context;
    this.name = name;
    this.takeBack = takeBack;
  }

  async begin(term: LoopContext): Promise<void> {
    this.term = term;
    await this.settle(term);
  }

  /** Never throws: what fails is tried again by the next round. */
  applied(events: readonly RecordedEvent[]): void {
    const isOff = events.some(({ type, stream }) => type === 'SwitchedOff' && idOf(stream) === this.name);
    if (!isOff) return;
    this.isDue = true;
    const { term } = this;
    if (term === undefined) return;
    this.settle(term).catch((error: unknown) => {
      const { logger } = this.context;
      if (!term.signal.aborted)
        logger.warn(
          { err: error, switch: this.name },
          'that nothing is under way was not stored; trying again',
        );
    });
  }

  async round(term: LoopContext): Promise<void> {
    if (this.isDue) await this.settle(term);
  }

  private async settle(term: LoopContext): Promise<void> {
    const { context, name } = this;
    const { system } = context;
    await shutting(context, name, async () => {
      // Until it stands as it was looked at: it may be switched meanwhile, by whoever.
      for (;;) {
        term.assertMayAct();
        const { value, context: found } = (await system.read(switchType, name)).snapshot;
        if (value === 'on' || found.settled) break;
        if (found.strict) await this.takeBack(term);
        term.assertMayAct();
        await system.execute(switchType, name, {
          by: `loop:workload-${name}`,
          decide: (snapshot) => settle(snapshot, name, found.strict),
        });
      }
      this.isDue = false;
    });
  }
}
