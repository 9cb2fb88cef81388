/**
 * A server of its own process for the benchmarks: `talent` is the whole service, on the embedded store or on the one that
 * BENCH_STORE names; `workload` is the same with jobs, with no limit to how many wait; `bare` is grpc-js that answers the same messages of the same proto file and does nothing else.
 */

import { Server, ServerCredentials } from '@grpc/grpc-js';
import { pino } from 'pino';
import { Settings } from '../src/node/config/config.js';
import { startNode } from '../src/node/node.js';
import { acknowledgedStream, unary } from '../src/node/serving/calls.js';
import type {
  PlotTaskReport,
  PlotTaskReportAck,
  PlotTaskReportAcks,
} from '../src/systems/talent/wire/messages.js';
import { SYSTEMS } from '../src/systems.js';
import { loadProto, serviceOf } from '../src/wire/proto.js';
import { type PartMain, playPart } from './part-main.js';

const LISTEN = '127.0.0.1:0';
const logger = pino({ level: 'error' });
const [kind, data = ''] = process.argv.slice(2);

playPart(kind === 'bare' ? await startBare() : await startWhole(data));

async function startWhole(directory: string): Promise<PartMain> {
  const systems = SYSTEMS.filter(({ name }) => name === kind);
  const more = kind === 'workload' ? { 'workload.split_window': '1000000', ...brokerOf(process.env) } : {};
  const flags = { data: directory, listen: LISTEN, store: process.env['BENCH_STORE'], ...more };
  const config = new Settings(systems).load({ env: {}, cwd: '/', flags });
  return await startNode({ systems, config, logger });
}

function brokerOf({ BENCH_BROKER: broker, BENCH_BROKER_PASSWORD_FILE: file }: NodeJS.ProcessEnv) {
  return {
    ...(broker === undefined ? {} : { 'workload.broker': broker }),
    ...(file === undefined ? {} : { 'workload.broker_password_file': file }),
  };
}

async function startBare(): Promise<PartMain> {
  const answer = { is_success: true, msg: 'recorded', revision: 1 };
  const server = new Server({ 'grpc.enable_channelz': 0 });
  const bare = unary(logger, async () => answer);
  server.addService(serviceOf(loadProto('talent'), 'talent.PlotManager'), {
    plot_task_create: bare,
    plot_task_update: bare,
    plot_task_report: acknowledgedStream<PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks>(logger, {
      inFlight: 1024,
      handle: async ({ seq = 0 }) => ({ ...answer, seq }),
      answerFailure: ({ seq = 0 }) => ({ seq, is_success: false }),
      pack: (acks) => ({ acks }),
    }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(LISTEN, ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  return { address: `127.0.0.1:${port}`, stop: async () => server.forceShutdown() };
}
