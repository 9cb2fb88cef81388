/** A pilot in this process with its keeper, a storage of its own, and a node for it; and one as a process, to be killed. */

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { asUuid } from '../../../../src/base/uuid.js';
import { type Pilot, type PilotSettings, runPilot } from '../../../../src/systems/workload/machine/pilot.js';
import { PilotDirectory } from '../../../../src/systems/workload/machine/pilot-directory.js';
import type { BrokerPlace } from '../../../../src/systems/workload/wire/amqp/broker-address.js';
import type { Grant, JobInput } from '../../../../src/systems/workload/wire/pilot-messages.js';
import { type LogLines, logLines } from '../../../support/log-lines.js';
import { testDirectory } from '../../../support/test-directory.js';
import { until } from '../../../support/until.js';
import { wakingClock } from '../../../support/waking-clock.js';
import { Executables, waitingBelow } from './executables.js';
import { PilotNode } from './pilot-node.js';

export interface World {
  readonly node: PilotNode;
  readonly data: string;
  /** The root of the storage. */
  readonly storage: string;
  readonly log: LogLines;
  readonly directory: PilotDirectory;
  settings(more?: Partial<PilotSettings>): PilotSettings;
  /** @returns how it is registered */
  input(name: string, content: string): JobInput;
  /** With one output, `out.txt`, and a log. */
  order(job: string, more?: Partial<Grant>): Grant & { readonly job: string };
  /** In this process; stopped at the end of the test. */
  pilot(
    more?: Partial<PilotSettings>,
    options?: { readonly storagePatienceMs?: number; readonly broker?: BrokerPlace },
  ): Promise<Pilot>;
  /** As a process of its own. Resolves once it is attached. */
  pilotProcess(more?: Partial<PilotSettings>, broker?: BrokerPlace): Promise<ChildProcess>;
  /** What was stored, by path below the storage. */
  stored(): Record<string, string>;
}

const TASK = '00000000-0000-4000-8000-0000000000aa';

/** On every Linux, and as a rule of no other use to a test. */
const MEMORY = '/dev/shm';

/** Why there can be no storage on another file system than the directories of tests, which are below the working directory. */
export const noFarStorage =
  (!existsSync(MEMORY) || statSync(MEMORY).dev === statSync(process.cwd()).dev) &&
  'there is no other file system here';

/** A directory for one, removed at the end of the test. */
export function farStorage(t: Test): string {
  const storage = mkdtempSync(join(MEMORY, 'owl-test-'));
  t.teardown(() => rmSync(storage, { recursive: true, force: true }));
  return storage;
}

/** @param at its storage; default: beside its data */
export async function world(t: Test, at?: string): Promise<World> {
  const root = testDirectory(t);
  const [data, storage] = [join(root, 'data'), at ?? join(root, 'storage')];
  for (const folder of [data, join(storage, 'in')]) mkdirSync(folder, { recursive: true });
  const node = await PilotNode.start(t);
  const log = logLines();
  const directory = PilotDirectory.of(data, 'p1');
  const settings = (more: Partial<PilotSettings> = {}): PilotSettings => ({
    ...{ name: 'p1', device: 'cpu', slots: 2, memory_mib: 0, verify: 'always', grace_seconds: 1 },
    ...{
      looping_seconds: 0,
      log_limit_mib: 1,
      executables: { ...Executables, ...waitingBelow(storage) },
      storage_roots: [storage],
    },
    ...more,
  });
  t.teardown(() => untilNoKeeper(directory));
  return {
    ...{ node, data, storage, log, directory, settings },
    input: (name, content) => {
      writeFileSync(join(storage, 'in', name), content);
      return inputOf(name, content);
    },
    order: (job, more = {}) => ({
      ...{ job, task: TASK, attempt: 1, executable: 'upper', mode: 'map', device_type: 'cpu', seq: 1 },
      ...{ storage_url: `file://${storage}/in`, data_out_url: `file://${storage}/out` },
      outputs: [{ uid: `${job}-out`, file_name: 'out.txt' }],
      log: { uid: `${job}-log`, file_name: 'log.txt' },
      ...more,
    }),
    pilot: async (more, options = {}) => {
      const pilot = await runPilot({
        ...{ settings: settings(more), data, server: node.address, logger: log.logger, version: '1' },
        ...{ variables: process.env, clock: wakingClock, storagePatienceMs: 0, ...options },
      });
      t.teardown(() => pilot.stop());
      const hears = () => options.broker !== undefined || node.listening > 0;
      await until('the pilot hears of work', () => pilot.status().attached && hears());
      return pilot;
    },
    pilotProcess: (more, broker) => startPilot(t, data, node, settings(more), broker),
    stored: () => filesBelow(storage, 'out'),
  };
}

async function startPilot(
  t: Test,
  data: string,
  node: PilotNode,
  settings: PilotSettings,
  broker?: BrokerPlace,
): Promise<ChildProcess> {
  const main = fileURLToPath(new URL('run-pilot.js', import.meta.url));
  const before = node.attached.length;
  const place = broker === undefined ? node.address : JSON.stringify(broker);
  const child = spawn(process.execPath, [main, data, place, JSON.stringify(settings)], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  t.teardown(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGCONT');
    child.kill('SIGTERM');
    await exit;
  });
  await until('the pilot is attached', () => node.attached.length > before);
  return child;
}

export function inputOf(name: string, content: string): JobInput {
  const sum = (algorithm: string) => createHash(algorithm).update(content).digest('hex');
  return {
    ...{ uid: `in-${name}`, file_name: name, path: name, size: Buffer.byteLength(content) },
    ...{ check_sum: asUuid(sum('md5')), sha256: sum('sha256') },
  };
}

export function md5Of(content: string): string {
  return asUuid(createHash('md5').update(content).digest('hex'));
}

export async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}

async function untilNoKeeper({ keeperSocket }: PilotDirectory): Promise<void> {
  await until('the keeper has ended by itself', () => !existsSync(keeperSocket));
}

function filesBelow(root: string, folder: string): Record<string, string> {
  const found: Record<string, string> = {};
  const path = join(root, folder);
  if (!existsSync(path)) return found;
  for (const entry of readdirSync(path, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = join(entry.parentPath, entry.name);
    found[file.slice(path.length + 1)] = readFileSync(file, 'utf8');
  }
  return found;
}

export const TASK_UID = TASK;

/** It notes each start, and writes its output once `go` is there. */
export function waitingJob({ order, input, storage }: World, job: string, more = {}) {
  const starts = join(storage, `starts-${job}`);
  return {
    order: order(job, { executable: 'wait', inputs: [input('a', 'a')], inputs_total: 1, ...more }),
    go: () => void input(`go-${job}`, ''),
    starts: () => (existsSync(starts) ? readFileSync(starts, 'utf8').trim().split('\n').length : 0),
  };
}
