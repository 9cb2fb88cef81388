/** Nodes that run workload alone, on either store, with what tests need of their inside: their actors. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import type { JobEvent } from '../../../../machines/workload/job.js';
import type { Clock } from '../../../../src/base/clock.js';
import { localTokenFile } from '../../../../src/node/access/access-file.js';
import { Settings } from '../../../../src/node/config/config.js';
import { type RunningNode, startNode } from '../../../../src/node/node.js';
import type { NodeContext, ServedSystem } from '../../../../src/node/system.js';
import type { RecordedEvent } from '../../../../src/runtime/event-store/event-store.js';
import type { WorkloadConfig } from '../../../../src/systems/workload/config.js';
import { job } from '../../../../src/systems/workload/service/jobs/job-commands.js';
import { workload } from '../../../../src/systems/workload/system.js';
import { PeersClient } from '../../../../src/wire/peers-client.js';
import { type Answer, type Asked, askAt } from '../../../node/serving/http/http-node.js';
import { startNode as startStore } from '../../../support/eventstoredb-stores.js';
import { localCredentials } from '../../../support/local-credentials.js';
import { type LogLines, logLines } from '../../../support/log-lines.js';
import { AnyClient, JobsClient, PilotsClient } from './clients.js';

export interface WorkloadNode {
  readonly node: RunningNode;
  /** Asks one of its services. */
  ask(service: string, name: string, request: object): Promise<Readonly<Record<string, unknown>>>;
  /** Its data directory. */
  readonly data: string;
  readonly context: NodeContext;
  readonly log: LogLines;
  readonly jobs: JobsClient;
  readonly pilots: PilotsClient;
  readonly peers: PeersClient;
  /** Types of what is stored of a job, in order. */
  eventsOf(uid: string): Promise<RecordedEvent[]>;
  /** The body of what is answered to a GET. */
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<string>;
  /** What is asked over HTTP, below the system's own path. */
  http(method: string, path: string, asked?: Asked): Promise<Answer>;
  createJob(uid: string, order?: Partial<Created>): Promise<void>;
  stop(): Promise<void>;
}

type Created = Extract<JobEvent, { type: 'JobCreated' }>['data'];

export interface WorkloadNodeOptions {
  readonly data?: string;
  /** A connection string. */
  readonly store?: string;
  /** Keys of the section. */
  readonly config?: Readonly<Record<string, number | string>>;
  readonly clock?: Clock;
}

/** Of tests that wait for none of it: a lease that outlasts them. */
const CALM = { lease_seconds: 30, give_up_seconds: 100, margin_seconds: 10 };

let dataDirectories = 0;
/** `testdir` makes the directory of a test anew each time. */
const directories = new WeakMap<Test, string>();

function directoryOf(t: Test): string {
  const known = directories.get(t) ?? t.testdir({});
  directories.set(t, known);
  return known;
}

export async function startWorkload(t: Test, options: WorkloadNodeOptions = {}): Promise<WorkloadNode> {
  dataDirectories += 1;
  const {
    data = join(directoryOf(t), `data-${dataDirectories}`),
    store,
    config: times = {},
    clock,
  } = options;
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
  const keys = Object.entries({ ...CALM, ...times }).map(([key, value]) => [
    `workload.${key}`,
    String(value),
  ]);
  const flags = {
    data,
    listen: '127.0.0.1:0',
    http_listen: '127.0.0.1:0',
    ...(store === undefined ? {} : { store }),
  };
  const config = new Settings([opened]).load({
    env: {},
    cwd: '/',
    flags: { ...flags, ...Object.fromEntries(keys) },
  });
  const log = logLines();
  const started = { systems: [opened], config, logger: log.logger };
  const node = await startNode(clock === undefined ? started : { ...started, clock });
  if (context === undefined) throw new Error('workload was not opened');
  const within = context;
  const credentials = localCredentials(data);
  const jobs = new JobsClient({ server: node.address, credentials });
  const pilots = new PilotsClient({ server: node.address, credentials });
  const any = new AnyClient({ server: node.address, credentials });
  const peers = new PeersClient({ server: node.address, credentials });
  let stopped: Promise<void> | undefined;
  const stop = () => {
    stopped ??= (async () => {
      jobs.close();
      pilots.close();
      peers.close();
      any.close();
      await node.stop();
    })();
    return stopped;
  };
  t.teardown(stop);
  return {
    ...{ node, data, context: within, log, jobs, pilots, peers, stop },
    ask: (service, name, request) => any.call(service, name, request),
    async eventsOf(uid) {
      const events: RecordedEvent[] = [];
      for await (const event of within.runtime.store.readStream(`wl_job-${uid}`)) events.push(event);
      return events;
    },
    async get(path, headers = {}) {
      return (
        await askAt(node.httpAddress ?? '', 'GET', path, { authorization: authorizationOf(data), headers })
      ).text;
    },
    http: (method, path, asked = {}) =>
      askAt(node.httpAddress ?? '', method, `/api/v1/workload${path}`, {
        authorization: authorizationOf(data),
        ...asked,
      }),
    async createJob(uid, order = {}) {
      const data: Created = { ...ORDER, ...order };
      await within.runtime.system.execute(job, uid, { decide: () => [{ type: 'JobCreated', data }] });
    },
  };
}

function authorizationOf(data: string): string {
  return `Bearer ${readFileSync(localTokenFile(data), 'utf8').trim()}`;
}

const ORDER: Created = {
  ...{ seq: 0, level: 1, executable: 'wc', rank: 0, device_type: 'cpu', mode: 'map', retries: 1 },
  data_out_url: 'file:///proc/nowhere/out',
  inputs: [{ uid: 'f0', dataset_uid: 'd0', idx: 0, file_name: 'a.txt', path: 'a.txt', size: '5' }],
  outputs: [{ uid: 'o0', dataset_uid: 'd1', idx: 0, file_name: 'a.j0.txt' }],
  log: { uid: 'l0', dataset_uid: 'd2', idx: 0, file_name: 'a.j0.log' },
};

/** Each kind of store, for what has to hold on all of them. */
export const ON_STORES: Readonly<
  Record<string, (t: Test, options?: WorkloadNodeOptions) => Promise<WorkloadNode>>
> = {
  SQLite: startWorkload,
  'the EventStoreDB double': async (t, options = {}) => {
    const store = await startStore(t);
    return startWorkload(t, { ...options, store: store.connectionString });
  },
};
