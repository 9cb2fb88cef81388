/** All peers of a round, simulated and real ones' overlord, from their start to the last answer. */

import { randomBytes } from 'node:crypto';
import type { PlotTaskListResponse } from '../../../src/systems/talent/wire/messages.js';
import type { Violations } from '../checker/violations.js';
import type { Dice } from '../dice.js';
import type { Journal } from '../journal.js';
import type { World } from '../world/world.js';
import { AttachedSupervisor } from './attached-supervisor.js';
import { Auditor } from './auditor.js';
import type { Calls } from './calls.js';
import { Field, type SimulatedWorker } from './field.js';
import { LogReceiver } from './log-receiver.js';
import { Overlord } from './overlord.js';
import { PollingSupervisor } from './polling-supervisor.js';
import { RealOverlord } from './real-overlord.js';

/** Each waits for its answers one after another. */
const OVERLORDS = 32;
const WORKERS = 6;
const LARGEST_PAGE = 1_000;

export interface FleetOptions {
  readonly world: World;
  readonly journal: Journal;
  readonly violations: Violations;
  readonly dice: Dice;
}

export class Fleet {
  readonly field: Field;
  readonly calls: Calls;
  readonly attached: readonly AttachedSupervisor[];
  private readonly polling: readonly PollingSupervisor[];
  private readonly receivers: readonly LogReceiver[];
  private readonly overlords: readonly Overlord[];
  private readonly real: RealOverlord;
  private readonly auditor: Auditor;
  private readonly running = new Map<string, Promise<void>>();
  private ordering: Promise<unknown> = Promise.resolve();

  constructor({ world, journal, violations, dice }: FleetOptions) {
    const workers = Array.from({ length: WORKERS }, (_, index) => workerNumber(index));
    this.field = new Field({ address: world.proxy.address, journal, violations, dice, workers });
    this.calls = this.field.calls();
    const receivers = workers.map((worker) => ({ worker, receiver: new LogReceiver(this.field) }));
    this.receivers = receivers.map(({ receiver }) => receiver);
    this.attached = receivers.flatMap(({ worker, receiver }) =>
      worker.attaches ? [new AttachedSupervisor(this.field, worker, receiver)] : [],
    );
    this.polling = receivers.flatMap(({ worker, receiver }) =>
      worker.attaches ? [] : [new PollingSupervisor(this.field, worker, receiver)],
    );
    this.overlords = Array.from({ length: OVERLORDS }, () => new Overlord(this.field));
    this.real = new RealOverlord(this.field, world.place);
    this.auditor = new Auditor(this.field, dice.pick(workers));
  }

  start(): void {
    const orders = [...this.overlords, this.real].map((one, index) => this.run(`overlord ${index}`, one));
    this.ordering = Promise.all(orders);
    for (const [index, one] of [...this.attached, ...this.polling].entries())
      void this.run(`supervisor ${index}`, one);
    for (const [index, one] of this.receivers.entries()) void this.run(`log receiver ${index}`, one);
    void this.run('auditor', this.auditor);
  }

  /** Resolves when everybody is gone. */
  get ended(): Promise<unknown> {
    return Promise.all(this.running.values());
  }

  /** Nothing new is begun. Resolves when every order and every report has its answer. */
  async settle(): Promise<void> {
    const { field } = this;
    field.closing.abort();
    await this.ordering;
    while (!field.isOver && (field.isBeginning || !this.receivers.every(({ idle }) => idle)))
      await field.rest(20);
    for (const supervisor of this.attached) await supervisor.detach();
  }

  /** What there is of tasks, page by page, as it is shown to everybody. */
  async lookAtAll(): Promise<void> {
    let page_token: string | undefined = '';
    while (page_token !== undefined) {
      const page: PlotTaskListResponse =
        (await this.field.insist(this.calls, 'plot_task_list', { page_size: LARGEST_PAGE, page_token })) ??
        {};
      for (const task of page.tasks ?? []) this.field.show(task);
      page_token = page.next_page_token;
    }
  }

  end(): void {
    this.field.over.abort();
    this.calls.close();
  }

  /** Who still waits, for people. */
  waitingFor(): string {
    return [...this.running.keys()].join(', ');
  }

  private async run(name: string, peer: { run(): Promise<void> }): Promise<void> {
    const running = peer.run().catch((error: unknown) => {
      this.field.violations.add('went-on', name, `an answer nobody can do anything with: ${String(error)}`);
    });
    this.running.set(name, running);
    await running;
    this.running.delete(name);
  }
}

/** Half of them attach, some of those with a key; the others poll as those of old do. */
function workerNumber(index: number): SimulatedWorker {
  const attaches = index % 2 === 0;
  return {
    workerId: `worker-${index}`,
    cache: `/torture/cache-${index}`,
    attaches,
    reportKey: attaches && index % 4 === 0 ? randomBytes(16).toString('hex') : undefined,
  };
}
