/** What `owl status` shows of talent: tasks that run and how far they are, tasks that wait and why, and who is there to make plots. */

import { formatPercent } from '../../../cli/format.js';
import { withClient } from '../../../cli/globals.js';
import type { AskedWork, SystemWork, WorkItem } from '../../../cli/system.js';
import { TalentDirectory } from '../machine/talent-directory.js';
import { askSupervisor } from '../supervisor/control.js';
import type { PlotTaskStatus, SupervisorStatus } from '../wire/messages.js';
import { PlotManagerClient } from '../wire/plot-manager-client.js';
import { timeLeftOf } from './task-views.js';

const RUNS = ['started', 'running', 'stopping'];
const WAITS = ['received', 'pending'];
/** What is read of each; who has more looks at lists. */
const MOST_READ = 200;

export async function talentWork({
  client,
  data,
}: Pick<AskedWork<unknown>, 'client' | 'data'>): Promise<SystemWork> {
  const machine = await machineLine(data);
  return await withClient(new PlotManagerClient(client), async (talent) => {
    const { supervisors = [] } = await talent.supervisors();
    const of = (statuses: string[]) => talent.list({ statuses, page_size: MOST_READ });
    const [running, waiting] = [await of(RUNS), await of(WAITS)];
    return {
      service: supervisorsLine(supervisors),
      machine,
      runs: (running.tasks ?? []).map(runs),
      waits: (waiting.tasks ?? []).map((task) => waits(task, supervisors)),
      hasMore: [running, waiting].some(({ next_page_token: token = '' }) => token !== ''),
    };
  });
}

/** Undefined where no supervisor runs. */
async function machineLine(data: string): Promise<string | undefined> {
  const state = await askSupervisor(new TalentDirectory(data), { method: 'status' }).catch(() => undefined);
  if (state === undefined) return undefined;
  const parts = [
    `process ${state.pid}`,
    `makes plots with ${state.plotter}`,
    state.draining ? 'draining: it starts nothing' : '',
    state.attached ? '' : `away from ${state.server}: ${state.away_reason ?? ''}`,
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function supervisorsLine(supervisors: readonly SupervisorStatus[]): string {
  const counts = new Map<string, number>();
  for (const { status = '' } of supervisors) counts.set(status, (counts.get(status) ?? 0) + 1);
  const { attached = 0, lost = 0 } = Object.fromEntries(counts);
  const there = `${attached === 0 ? 'no' : attached} supervisor${attached === 1 ? '' : 's'} attached`;
  return lost === 0 ? there : `${there}, ${lost} lost`;
}

function runs({ task_id = '', status = '', plot_details: details = {}, ...task }: PlotTaskStatus): WorkItem {
  const { progress = 0, stage_now: stage = '' } = details;
  const parts = [
    formatPercent(progress),
    stage === '' ? '' : `stage ${stage}`,
    timeLeftOf(task.seconds_left),
    task.worker_id ? `on ${task.worker_id}` : '',
    task.remarks ?? '',
  ];
  return { name: task_id, state: status, what: parts.filter((part) => part !== '').join(', ') };
}

function waits(
  { task_id = '', status = '', remarks = '', worker_id: worker = '' }: PlotTaskStatus,
  supervisors: readonly SupervisorStatus[],
): WorkItem {
  return { name: task_id, state: status, what: remarks === '' ? whyUnheard(worker, supervisors) : remarks };
}

/** Of a task about which no supervisor has said anything. Where none has ever attached talent says so in the remarks. */
function whyUnheard(worker: string, supervisors: readonly SupervisorStatus[]): string {
  const its = supervisors.find(({ worker_id: id }) => id === worker);
  if (its === undefined) return '';
  if (its.status === 'attached') return `its supervisor (${worker}) has not said yet what it waits for`;
  return `its supervisor (${worker}) is ${its.status ?? 'away'}`;
}
