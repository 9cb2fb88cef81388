/**
 * A simulated supervisor of today: attaches, beats, gets its work pushed, says what it does under ids and attempts, and falls silent
 * when it is told to: then its lease is lost, and it returns or attaches under another session.
 */

import { createHash } from 'node:crypto';
import type {
  PlotTaskStatus,
  PlotTaskUpdateResponse,
  SupervisorWork,
} from '../../../src/systems/talent/wire/messages.js';
import type { Dice } from '../dice.js';
import { type Calls, isTransient } from './calls.js';
import type { Field, SimulatedWorker } from './field.js';
import type { LogReceiver } from './log-receiver.js';

const BEATS_EVERY_MS = 400;
const LEASE_SECONDS = 2;

export class AttachedSupervisor {
  private readonly field: Field;
  private readonly worker: SimulatedWorker;
  private readonly receiver: LogReceiver;
  private readonly calls: Calls;
  private readonly dice: Dice;
  private readonly started = new Set<string>();
  private session = '';
  private silent = false;

  constructor(field: Field, worker: SimulatedWorker, receiver: LogReceiver) {
    this.field = field;
    this.worker = worker;
    this.receiver = receiver;
    this.calls = field.calls();
    this.dice = field.dice.apart();
  }

  /** Says nothing for so long, as a machine that hangs; then goes on as the same session, or as a new one. */
  async fallSilent(ms: number, asAnother: boolean): Promise<void> {
    this.silent = true;
    await this.field.rest(ms);
    if (asAnother) this.session = '';
    this.silent = false;
  }

  async run(): Promise<void> {
    const { field } = this;
    const working = this.work();
    while (!field.isOver) {
      if (!this.silent) await this.beat();
      await field.rest(BEATS_EVERY_MS);
    }
    await working;
    this.calls.close();
  }

  /** Leaves in order. */
  async detach(): Promise<void> {
    const { worker, session, field } = this;
    if (session === '') return;
    const request = { worker_id: worker.workerId, session_id: session, reason: 'the run is over' };
    const answer = await field.insist(this.calls, 'supervisor_detach', request);
    if (answer !== undefined) field.journal.session({ worker: worker.workerId, session, told: 'detached' });
    this.silent = true;
  }

  private async beat(): Promise<void> {
    try {
      if (this.session === '') await this.attach();
      else
        await this.calls.ask(
          'supervisor_heartbeat',
          { worker_id: this.worker.workerId, session_id: this.session },
          1_000,
        );
    } catch (error) {
      // Another session has the lease, or nobody: it attaches anew.
      if (!isTransient(error)) this.session = '';
    }
  }

  private async attach(): Promise<void> {
    const { worker, field } = this;
    const session = `session-${this.dice.name()}`;
    const answer = await field.insist(this.calls, 'supervisor_attach', {
      worker_id: worker.workerId,
      session_id: session,
      host: 'simulated',
      pid: this.dice.whole(2, 30_000),
      lease_seconds: LEASE_SECONDS,
      version: '1.0',
      ...(worker.reportKey === undefined
        ? {}
        : { report_key_hash: createHash('sha256').update(worker.reportKey).digest('hex') }),
    });
    if (answer === undefined) return;
    field.journal.session({ worker: worker.workerId, session, told: 'attached' });
    this.session = session;
  }

  private async work(): Promise<void> {
    const { field } = this;
    while (!field.isOver) {
      if (this.session !== '' && !this.silent) await this.follow();
      await field.rest(50);
    }
  }

  private async follow(): Promise<void> {
    const stream = this.calls.follow('supervisor_work', {
      worker_id: this.worker.workerId,
      session_id: this.session,
    });
    const end = () => stream.cancel();
    this.field.over.signal.addEventListener('abort', end, { once: true });
    try {
      for await (const message of stream) {
        const { kind, task }: SupervisorWork = message;
        if (task !== undefined) this.field.show(task);
        // While it is silent it does what it was told, and tells nobody.
        if (kind === 'START' && task !== undefined) void this.field.begin(() => this.begin(task));
        if (kind === 'STOP' && task !== undefined) void this.stop(task);
      }
    } catch {
      // The stream broke; it is followed again.
    } finally {
      this.field.over.signal.removeEventListener('abort', end);
    }
  }

  private async begin({ task_id: id = '', attempt = 1 }: PlotTaskStatus): Promise<void> {
    const { field, worker } = this;
    if (this.started.has(`${id} ${attempt}`)) return;
    this.started.add(`${id} ${attempt}`);
    if (this.dice.chance(0.3)) await this.tell(id, attempt, { status: 'pending', remarks: 'waits for room' });
    const started = await this.tell(id, attempt, { status: 'started', plot_pid: this.dice.whole(2, 30_000) });
    if (started.is_success !== true) return;
    field.atWork += 1;
    this.receiver.follow({ id, worker, attempt }, attempt);
  }

  private async stop({ task_id: id = '', attempt = 1 }: PlotTaskStatus): Promise<void> {
    await this.tell(id, attempt, { status: 'stopped', exit_signal: 'SIGTERM', remarks: 'as was asked' });
  }

  /** Waits out its own silence, then insists. */
  private async tell(id: string, attempt: number, what: PlotTaskStatus): Promise<PlotTaskUpdateResponse> {
    const { field, worker } = this;
    while (this.silent && !field.isOver) await field.rest(100);
    const status = {
      ...what,
      task_id: id,
      for_attempt: attempt,
      command_id: `tell-${this.dice.name()}`,
      ...(worker.reportKey === undefined ? {} : { report_key: worker.reportKey }),
    };
    return (await field.insist(this.calls, 'plot_task_update', status)) ?? {};
  }
}
