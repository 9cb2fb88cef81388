/** A node with workload alone, in a process of its own: `DATA PORT JOBS [STORE]`. It makes jobs j0, j1 … unless they are there, and says `ready`. */

import { Settings } from '../../../../src/node/config/config.js';
import { startNode } from '../../../../src/node/node.js';
import type { NodeContext, ServedSystem } from '../../../../src/node/system.js';
import type { WorkloadConfig } from '../../../../src/systems/workload/config.js';
import { job } from '../../../../src/systems/workload/service/jobs/job-commands.js';
import { workload } from '../../../../src/systems/workload/system.js';
import { logLines } from '../../../support/log-lines.js';

const [data = '', port = '', jobs = '', store] = process.argv.slice(2);
let context: NodeContext | undefined;
const opened: ServedSystem<WorkloadConfig> = {
  name: workload.name,
  config: workload.config,
  async service() {
    const side = await workload.service();
    const open: typeof side.open = (given, config) => {
      context = given;
      return side.open(given, config);
    };
    return { ...side, open };
  },
};
const config = new Settings([opened]).load({
  env: {},
  cwd: '/',
  flags: {
    ...{ data, listen: `127.0.0.1:${port}`, 'workload.requeue_seconds': '1' },
    ...(store === undefined ? {} : { store }),
  },
});
const node = await startNode({ systems: [opened], config, logger: logLines().logger });
for (let n = 0; n < Number(jobs); n++)
  await context?.runtime.system.execute(job, `j${n}`, {
    decide: ({ value }) =>
      value === 'absent'
        ? [
            {
              type: 'JobCreated',
              data: {
                ...{
                  seq: n,
                  level: 1,
                  executable: 'wc',
                  rank: 0,
                  device_type: 'cpu',
                  mode: 'map',
                  retries: 1,
                },
                data_out_url: 'file:///proc/nowhere/out',
                inputs: [{ uid: 'f0', dataset_uid: 'd0', idx: 0, file_name: 'a.txt', path: 'a.txt' }],
                outputs: [{ uid: 'o0', dataset_uid: 'd1', idx: 0, file_name: 'a.j0.txt' }],
                log: { uid: 'l0', dataset_uid: 'd2', idx: 0, file_name: 'a.j0.log' },
              },
            },
          ]
        : [],
  });
process.stdout.write(`ready ${node.address}\n`);
