/**
 * A real talent on a directory of its own and a real socket, in the test's process. Guarantee: it is stopped, and its
 * clients are closed, when the test ends.
 */

import { join } from 'node:path';
import { Client, credentials, type MethodDefinition } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Test } from 'tap';
import type { Clock } from '../../src/base/clock.js';
import type {
  PlotTaskCreateRequest,
  PlotTaskStatus,
  PlotTaskStatusAllResponse,
} from '../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../src/systems/talent/wire/plot-manager-client.js';
import { loadProto, serviceOf } from '../../src/wire/proto.js';
import { type LogLines, logLines } from './log-lines.js';
import { loadTalentConfig, startTalent, type Talent } from './start-talent.js';

export interface TalentNodeOptions {
  /** Default: a new one. Its parent must exist. */
  readonly data?: string;
  readonly clock?: Clock;
  /** Instead of the one whose lines are in `log`. */
  readonly logger?: Logger;
  /** Configuration by key (`limits.mailbox`), over the defaults. */
  readonly config?: Readonly<Record<string, string>>;
}

export interface TalentNode {
  readonly talent: Talent;
  /** HOST:PORT */
  readonly address: string;
  readonly data: string;
  readonly log: LogLines;
  readonly client: PlotManagerClient;
  /** One call by the name of its method, on the node's shared channel. Rejects with grpc-js' ServiceError. */
  ask(method: string, request?: object): Promise<object>;
  /** Answers the tasks in an answer that is a list of them. */
  tasks(method: string, request?: object): Promise<PlotTaskStatus[]>;
  /** Ends the service in order. Again is no error. */
  stop(): Promise<void>;
}

const SERVICE = serviceOf(loadProto('talent'), 'talent.PlotManager');

export function methodNamed(name: string): MethodDefinition<object, object> {
  const found = SERVICE[name];
  if (found === undefined) throw new Error(`no method ${name}`);
  return found;
}

export async function startTalentNode(t: Test, options: TalentNodeOptions = {}): Promise<TalentNode> {
  const data = options.data ?? join(t.testdir(), 'data');
  const { store, ...others } = options.config ?? {};
  const flags = { data, listen: '127.0.0.1:0', ...others };
  // Where a password may stand: on a command line it is refused.
  const env = store === undefined ? {} : { OWL_STORE: store };
  const config = loadTalentConfig({ env, cwd: '/', flags });
  const log = logLines();
  const { clock, logger = log.logger } = options;
  const talent = await startTalent({ config, logger, ...(clock === undefined ? {} : { clock }) });
  const { address } = talent;
  const client = new PlotManagerClient({ server: address });
  const channel = new Client(address, credentials.createInsecure(), { 'grpc.enable_http_proxy': 0 });

  function ask(method: string, request: object = {}): Promise<object> {
    const { path, requestSerialize, responseDeserialize } = methodNamed(method);
    return new Promise((resolve, reject) => {
      const settings = { deadline: Date.now() + 30_000 };
      channel.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        request,
        settings,
        (error, answer) => (error === null ? resolve(answer ?? {}) : reject(error)),
      );
    });
  }

  let stopping: Promise<void> | undefined;
  const stop = (): Promise<void> => {
    stopping ??= (async () => {
      client.close();
      channel.close();
      await talent.stop();
    })();
    return stopping;
  };
  t.teardown(stop);
  return {
    talent,
    address,
    data,
    log,
    client,
    ask,
    tasks: async (method, request) => {
      const { tasks = [] }: PlotTaskStatusAllResponse = await ask(method, request);
      return tasks;
    },
    stop,
  };
}

/** What an overlord asks for, with what a test wants otherwise. */
export function orderFor(
  taskId: string,
  { plot_config: config, ...other }: PlotTaskCreateRequest = {},
): PlotTaskCreateRequest {
  return {
    task_id: taskId,
    plot_config: {
      ksize: 32,
      threads: 4,
      buffer: 4096,
      cache1: '/ssd/1',
      dest: { type: 'local', path: '/farm/1' },
      ...config,
    },
    ...other,
  };
}
