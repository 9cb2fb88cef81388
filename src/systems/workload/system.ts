/** workload: datasets become tasks, tasks become jobs, jobs run on pilots. All that the rest of owl knows of it. */

import type { System } from '../../cli/system.js';
import { isLoopback, reachedAt } from '../../node/access/loopback.js';
import type { NodeConfig } from '../../node/config/node-section.js';
import type { Finding } from '../../node/findings.js';
import { addWorkloadCommands } from './cli/workload.js';
import { type WorkloadConfig, workloadSection } from './config.js';
import { NODE } from './wire/called.js';

export const workload: System<WorkloadConfig> = {
  name: 'workload',
  config: workloadSection,
  commands: addWorkloadCommands,
  called: NODE,
  whyNotServed: ({ workload: served }, node, isWrong) => [
    ...(served.storage_roots === undefined && !isWrong(['workload', 'storage_roots'])
      ? withoutRoots(node)
      : []),
    ...withoutRoom(served),
  ],
  counted: {
    ...{ wl_series: 'series', wl_switch: 'switches' },
    ...{ wl_dataset: 'datasets', wl_file: 'files', wl_task: 'tasks', wl_job: 'jobs', wl_pilot: 'pilots' },
  },
  examples: {
    owl: [
      ['owl workload demo', 'see programs run over many files, in a minute'],
      ['owl workload status', 'queues, pilots, tasks, and what waits and why'],
    ],
  },
  check: async (config, machine) => (await import('./cli/check.js')).findingsOfExecutables(config, machine),
  work: async (asked) => (await import('./cli/system-work.js')).workloadWork(asked),
  service: async () => (await import('./service/workload-service.js')).workloadService,
  machine: {
    name: 'pilot',
    about:
      'the pilot, where workload.executables says what it may run; programs go on when it ends, and are adopted by the next start',
    whyNot: ({ workload: { executables } }) =>
      Object.keys(executables).length === 0
        ? 'workload.executables declares nothing that it may run'
        : undefined,
    args: ({ data, server }) => ['workload', 'pilot', 'run', '--data', data, '--server', server],
  },
};

/** Whatever owl's user may is nobody else's to have read and written, unless somebody says so. */
function withoutRoots(node: NodeConfig): readonly Finding[] {
  const reached = reachedAt(node);
  if (reached === '') return [];
  return [
    {
      path: [isLoopback(node.listen) ? 'http_listen' : 'listen'],
      text: `this node listens on ${reached}, which others can reach, and nothing says where files may be read and written for them: set \`workload.storage_roots\` to a list of directories (\`[/]\` for whatever owl's user may)`,
    },
  ];
}

/** A pilot that is silent for a lease has to have time to end what it runs before others may begin it. */
function withoutRoom({ lease_seconds, margin_seconds, give_up_seconds }: WorkloadConfig['workload']) {
  const least = lease_seconds + margin_seconds;
  if (give_up_seconds >= least) return [];
  return [
    {
      path: ['workload', 'give_up_seconds'],
      text: `must be at least workload.lease_seconds (${lease_seconds}) and workload.margin_seconds (${margin_seconds}) together, ${least}, not ${give_up_seconds}`,
    },
  ];
}
