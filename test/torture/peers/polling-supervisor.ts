/** A simulated supervisor of old: polls for its tasks, repeats what it says, and knows neither attempts nor ids of commands. */

import type {
  PlotTaskStatus,
  PlotTaskStatusAllResponse,
  PlotTaskUpdateResponse,
} from '../../../src/systems/talent/wire/messages.js';
import type { Calls } from './calls.js';
import type { Field, SimulatedWorker } from './field.js';
import type { LogReceiver } from './log-receiver.js';

const POLLS_EVERY_MS = 150;
const AT_ONCE = 16;

export class PollingSupervisor {
  private readonly field: Field;
  private readonly worker: SimulatedWorker;
  private readonly receiver: LogReceiver;
  private readonly calls: Calls;
  private readonly started = new Set<string>();

  constructor(field: Field, worker: SimulatedWorker, receiver: LogReceiver) {
    this.field = field;
    this.worker = worker;
    this.receiver = receiver;
    this.calls = field.calls();
  }

  async run(): Promise<void> {
    const { field } = this;
    while (!field.isOver) {
      const waiting = await this.tasksIn('received');
      await Promise.all(waiting.map((task) => field.begin(() => this.begin(task))));
      await Promise.all((await this.tasksIn('stopping')).map((task) => this.stop(task)));
      await field.rest(POLLS_EVERY_MS);
    }
    this.calls.close();
  }

  private async tasksIn(status: string): Promise<PlotTaskStatus[]> {
    const { field, worker } = this;
    const answer: PlotTaskStatusAllResponse =
      (await field.insist(this.calls, 'get_plot_by_cache', { status, cache1: worker.cache })) ?? {};
    const tasks = (answer.tasks ?? []).slice(0, AT_ONCE);
    for (const task of tasks) field.show(task);
    return tasks;
  }

  private async begin({ task_id: id = '', attempt = 1 }: PlotTaskStatus): Promise<void> {
    const { field, worker } = this;
    await this.update({ task_id: id, status: 'pending', remarks: 'has to wait' });
    await this.update({ task_id: id, status: 'pending', remarks: 'has to wait' });
    const { is_success = false } = await this.update({ task_id: id, status: 'started', plot_pid: 4711 });
    // Seen once more it was not started twice: a late answer shows it as received again.
    if (!is_success || this.started.has(`${id} ${attempt}`)) return;
    this.started.add(`${id} ${attempt}`);
    field.atWork += 1;
    this.receiver.follow({ id, worker, attempt }, attempt);
  }

  private async stop({ task_id: id = '' }: PlotTaskStatus): Promise<void> {
    await this.update({ task_id: id, status: 'stopped', remarks: 'as was asked' });
  }

  private async update(status: PlotTaskStatus): Promise<PlotTaskUpdateResponse> {
    return (await this.field.insist(this.calls, 'plot_task_update', status)) ?? {};
  }
}
