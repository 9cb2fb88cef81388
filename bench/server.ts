/**
 * A server of its own process for the benchmark: `talent` is the whole service on the embedded store, `bare` is grpc-js
 * that answers the same messages of the same proto file and does nothing else. Tells its address, or its figures when
 * asked, over the IPC channel of its parent.
 */

import { Server, ServerCredentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { acknowledgedStream, unary } from '../src/runtime/grpc-server.js';
import { loadConfig } from '../src/talent/config.js';
import { startTalent } from '../src/talent/talent.js';
import type { PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks } from '../src/wire/messages.js';
import { loadProto, serviceOf } from '../src/wire/proto.js';

export interface ServerFigures {
  /** Seconds of CPU this process has used. */
  readonly cpuSeconds: number;
  readonly residentBytes: number;
}

const LISTEN = '127.0.0.1:0';
const logger = pino({ level: 'error' });
const [kind, data = ''] = process.argv.slice(2);

const { address, stop } = kind === 'bare' ? await startBare() : await startWhole(data);
process.on('message', (message) => {
  if (message === 'figures') process.send?.(figures());
  else void stop().then(() => process.disconnect());
});
process.send?.({ address });

async function startWhole(directory: string) {
  const { config } = loadConfig({ env: {}, cwd: '/', flags: { data: directory, listen: LISTEN } });
  return await startTalent({ config, logger });
}

async function startBare() {
  const answer = { is_success: true, msg: 'recorded', revision: 1 };
  const server = new Server({ 'grpc.enable_channelz': 0 });
  const bare = unary(logger, async () => answer);
  server.addService(serviceOf(loadProto('talent'), 'talent.PlotManager'), {
    plot_task_create: bare,
    plot_task_update: bare,
    plot_task_report: acknowledgedStream<PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks>(
      logger,
      1024,
      async ({ seq = 0 }) => ({ ...answer, seq }),
      (acks) => ({ acks }),
    ),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(LISTEN, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${port}`, stop: async () => server.forceShutdown() };
}

function figures(): ServerFigures {
  const { user, system } = process.cpuUsage();
  return {
    cpuSeconds: (user + system) / 1e6,
    residentBytes: process.memoryUsage.rss(),
  };
}
