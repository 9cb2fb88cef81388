/** What `owl status` shows of workloads: tasks under way and how far they are, those that wait and why, what is switched off, and who is there to run jobs. */

import { hostname } from 'node:os';
import { withClient } from '../../../cli/globals.js';
import type { AskedWork, SystemWork, WorkItem } from '../../../cli/system.js';
import type { Pilot, Task } from '../wire/messages.js';
import { WorkloadClient } from '../wire/workload-client.js';
import { workloadState } from './status.js';
import { switchLine } from './switch.js';

export async function workloadWork({ client }: Pick<AskedWork<unknown>, 'client'>): Promise<SystemWork> {
  return await withClient(new WorkloadClient(client), async (workload) => {
    const { pilots, tasks, switched_off: off } = await workloadState(workload);
    const waiting = tasks.filter(({ jobs_running = 0 }) => jobs_running === 0);
    return {
      service: pilotsLine(pilots),
      machine: pilotsHere(pilots),
      switchedOff: off.map(switchLine),
      runs: tasks.filter((task) => !waiting.includes(task)).map(item),
      waits: waiting.map(item),
      hasMore: false,
    };
  });
}

const THERE = ['active', 'draining'];

function pilotsLine(pilots: readonly Pilot[]): string {
  const count = (wanted: string) => pilots.filter(({ status }) => status === wanted).length;
  const [active, lost] = [count('active') + count('draining'), count('lost')];
  const there = `${active === 0 ? 'no' : active} pilot${active === 1 ? '' : 's'} attached`;
  return lost === 0 ? there : `${there}, ${lost} lost`;
}

/** Those of this machine, as the node knows them; undefined when it has none. */
function pilotsHere(pilots: readonly Pilot[]): string | undefined {
  const here = pilots.filter(({ host, status }) => host === hostname() && THERE.includes(status ?? ''));
  const told = here.map(({ name = '', pid = 0, status }) =>
    status === 'draining' ? `${name}, process ${pid}, draining` : `${name}, process ${pid}`,
  );
  return told.length === 0 ? undefined : told.join('; ');
}

function item({
  task_id = 0,
  name,
  executable = '',
  state = '',
  held,
  remarks = '',
  ...task
}: Task): WorkItem {
  const {
    jobs_finished: done = 0,
    jobs_total: total = 0,
    jobs_running: running = 0,
    jobs_failed: failed = 0,
  } = task;
  const parts = [
    `${done} of ${total} jobs`,
    running === 0 ? '' : `${running} running`,
    failed === 0 ? '' : `${failed} failed`,
    remarks,
  ];
  return {
    name: `task ${task_id} ${name || executable}`,
    state: held ? `${state}, held` : state,
    what: parts.filter((part) => part !== '').join(', '),
  };
}
