/** The load: plots as old log collectors report them, unary or on one stream, with a bounded number of messages in flight. */

import { type Client, type ClientDuplexStream, credentials } from '@grpc/grpc-js';
import type {
  PlotTaskReport,
  PlotTaskReportAcks,
  PlotTaskStatus,
} from '../src/systems/talent/wire/messages.js';
import { clientOf, loadProto } from '../src/wire/proto.js';
import { reportsOf, updatesOf } from './messages.js';

const SERVICE = 'talent.PlotManager';
const PlotManager = clientOf(loadProto('talent'), SERVICE);

/** What a load came to. */
export interface Run {
  readonly messages: number;
  /** Plots reported from beginning to end. */
  readonly plots: number;
  readonly seconds: number;
}

/** The next report; undefined when there are no more. */
type ReportSource = () => PlotTaskStatus | undefined;

export class Load {
  private readonly client: Client;
  private readonly methods: ReadonlyMap<string, (request: object) => Promise<unknown>>;
  private plots = 0;
  private prepared: ReportSource | undefined;

  constructor(address: string) {
    const client = new PlotManager(address, credentials.createInsecure(), { 'grpc.enable_channelz': 0 });
    this.client = client;
    this.methods = new Map(
      ['plot_task_create', 'plot_task_update'].map((name) => [
        name,
        (request) => callUnary(client, name, request),
      ]),
    );
  }

  close(): void {
    this.client.close();
  }

  async call(method: 'plot_task_create' | 'plot_task_update', request: object): Promise<void> {
    const answer = await this.methods.get(method)?.(request);
    if (
      typeof answer !== 'object' ||
      answer === null ||
      !('is_success' in answer) ||
      answer.is_success !== true
    ) {
      throw new Error(`${method} was refused: ${JSON.stringify(answer)}`);
    }
  }

  /** Creates a task nobody has reported about. */
  async create(): Promise<string> {
    const taskId = `task_${process.pid}_${process.hrtime.bigint()}_${this.plots++}`;
    await this.call('plot_task_create', { task_id: taskId, plot_config: CONFIG });
    return taskId;
  }

  /** Runs `inFlight` callers, each reporting one plot after another, until the time is over. Answers calls and whole plots. */
  async updates(inFlight: number, seconds: number): Promise<Run> {
    const until = performance.now() + seconds * 1000;
    let calls = 0;
    let plots = 0;
    const begun = performance.now();
    await Promise.all(
      Array.from({ length: inFlight }, async () => {
        while (performance.now() < until) {
          const taskId = await this.create();
          calls++;
          for (const update of updatesOf(taskId)) {
            if (performance.now() >= until) return;
            await this.call('plot_task_update', update);
            calls++;
          }
          plots++;
        }
      }),
    );
    return { messages: calls, plots, seconds: (performance.now() - begun) / 1000 };
  }

  /** The same reports on one two-way stream, `inFlight` unacknowledged at the most, from as many plots as 64 callers have. */
  async reports(inFlight: number, seconds: number): Promise<Run> {
    const source = this.prepared ?? (await this.plotsToReport(seconds));
    this.prepared = undefined;
    return await this.report(source, inFlight, seconds);
  }

  /** Reports so many new plots from beginning to end, on one stream. */
  async finish(inFlight: number, plots: number): Promise<void> {
    await this.report(await this.plotsInTurn(plots), inFlight, Number.POSITIVE_INFINITY);
  }

  /** Until there are no more, or the time is over. */
  private async report(source: ReportSource, inFlight: number, seconds: number): Promise<Run> {
    const stream = openReportStream(this.client);
    const until = performance.now() + seconds * 1000;
    const begun = performance.now();
    let sent = 0;
    let acknowledged = 0;
    await new Promise<void>((resolve, reject) => {
      const pump = () => {
        while (sent - acknowledged < inFlight && performance.now() < until) {
          const status = source();
          if (status === undefined) break;
          stream.write({ seq: ++sent, status });
        }
        if (sent === acknowledged) resolve();
      };
      stream.on('data', ({ acks = [] }: PlotTaskReportAcks) => {
        for (const ack of acks) {
          if (ack.is_success !== true) reject(new Error(`a report was refused: ${ack.msg}`));
        }
        acknowledged += acks.length;
        pump();
      });
      stream.on('error', reject);
      pump();
    });
    stream.end();
    return {
      messages: acknowledged,
      plots: Math.floor(acknowledged / REPORTS_OF_A_PLOT),
      seconds: (performance.now() - begun) / 1000,
    };
  }

  /** Creates the plots of the next `reports` beforehand, so that what creating them takes is not measured. */
  async prepareReports(seconds: number): Promise<void> {
    this.prepared = await this.plotsToReport(seconds);
  }

  private plotsToReport(seconds: number): Promise<ReportSource> {
    return this.plotsInTurn(Math.ceil((seconds * FASTEST_REPORTS) / REPORTS_OF_A_PLOT));
  }

  /** Reports of 64 plots at a time, one of each in turn. */
  private async plotsInTurn(plots: number): Promise<ReportSource> {
    const waiting: string[] = [];
    for (let left = plots; left > 0; left -= 64) {
      waiting.push(...(await Promise.all(Array.from({ length: Math.min(64, left) }, () => this.create()))));
    }
    const running: PlotTaskStatus[][] = [];
    let turn = 0;
    return () => {
      while (running.length < 64 && waiting.length > 0) running.push(reportsOf(waiting.pop() ?? ''));
      if (running.length === 0) return undefined;
      turn = (turn + 1) % running.length;
      const plot = running[turn];
      const next = plot?.shift();
      if (plot?.length === 0) running.splice(turn, 1);
      return next;
    };
  }
}

const REPORTS_OF_A_PLOT = reportsOf('task').length;

/** More reports per second than any stream here carries: the plots created for a run must not run out. */
const FASTEST_REPORTS = 30_000;

const CONFIG = {
  fpk: 'a55d8fdada643a43d86a889c2c746ce848c0e2d00f7c012fc4c6e77d1e2f9f54a99dd38af59f8284f2178b810ecc7a95',
  ksize: 32,
  threads: 4,
  buffer: 5000,
  cache1: '/mnt/cache1',
  cache2: '/mnt/cache2',
  dest: { type: 'local', path: '/mnt/farm' },
};

function callUnary(client: Client, name: string, request: object): Promise<unknown> {
  const method = PlotManager.service[name];
  if (method === undefined) throw new Error(`no method ${name}`);
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      (error, answer) => {
        if (error === null) resolve(answer);
        else reject(error);
      },
    );
  });
}

function openReportStream(client: Client): ClientDuplexStream<PlotTaskReport, PlotTaskReportAcks> {
  const method = PlotManager.service['plot_task_report'];
  if (method === undefined) throw new Error('no method plot_task_report');
  return client.makeBidiStreamRequest<PlotTaskReport, PlotTaskReportAcks>(
    method.path,
    method.requestSerialize,
    method.responseDeserialize,
  );
}
