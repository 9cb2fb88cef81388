/**
 * A pilot without processes for benchmarks: it claims whatever it is hinted, writes empty outputs, and reports each job as finished at
 * once, or never: then it tells samples, as often as a real one.
 */

import { randomUUID } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BEATS_IN_A_LEASE } from '../src/peers/holder/lease-terms.js';
import { nameOfAttempt } from '../src/systems/workload/wire/attempt-names.js';
import { PilotClient, type PilotReports } from '../src/systems/workload/wire/pilot-client.js';
import type { Grant, PilotSample } from '../src/systems/workload/wire/pilot-messages.js';
import type { ClientCredentials } from '../src/wire/credentials.js';
import { PeersClient } from '../src/wire/peers-client.js';

const CHECK_SUM = 'd41d8cd98f00b204e9800998ecf8427e';
const SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export interface BenchPilotOptions {
  readonly server: string;
  readonly credentials: ClientCredentials;
  readonly name: string;
  /** Jobs at the same time. */
  readonly slots: number;
  readonly executable: string;
  /** Its jobs run on. */
  readonly isAsleep?: boolean;
}

export class BenchPilot {
  finished = 0;
  /** That were answered. */
  samples = 0;
  /** When each job was told as started, by its uid. Milliseconds of `performance.now`. */
  readonly startedAt = new Map<string, number>();
  private readonly options: BenchPilotOptions;
  private readonly session = randomUUID();
  private readonly client: PilotClient;
  private readonly peers: PeersClient;
  private readonly reports: PilotReports;
  private readonly over = new AbortController();
  private readonly asleep = new Map<string, Grant>();
  private beating: NodeJS.Timeout | undefined;

  constructor(options: BenchPilotOptions) {
    this.options = options;
    const { server, credentials, name } = options;
    this.client = new PilotClient({ server, credentials });
    this.peers = new PeersClient({ server, credentials });
    this.reports = this.client.reports(name, () => this.session);
  }

  async start(): Promise<void> {
    const { name, slots, executable, isAsleep = false } = this.options;
    const peer = { category: 'wl_pilot', peer_id: name, session_id: this.session };
    const body = JSON.stringify({ device_type: 'cpu', slots, executables: [executable] });
    const { lease_seconds: leaseSeconds = 0 } = await this.peers.attach({
      ...{ ...peer, protocol_min: 1, protocol_max: 1, body },
    });
    this.beating = setInterval(
      () => {
        this.peers.beat(peer).catch(() => undefined);
        if (isAsleep) this.tellSample().catch(() => undefined);
      },
      (leaseSeconds * 1000) / BEATS_IN_A_LEASE,
    );
    void this.follow().catch((error: unknown) => {
      if (!this.over.signal.aborted) console.error(error);
    });
  }

  async stop(): Promise<void> {
    clearInterval(this.beating);
    this.over.abort();
    this.reports.close();
    this.client.close();
    this.peers.close();
  }

  private async follow(): Promise<void> {
    const asked = { pilot: this.options.name, session_id: this.session };
    for await (const { hint } of this.client.work(asked, this.over.signal))
      if (hint?.job !== undefined) void this.carryOut(hint.job, hint.cur_retry ?? 0).catch(() => undefined);
  }

  private async carryOut(job: string, curRetry: number): Promise<void> {
    const { grant } = await this.reports.send({
      command_id: randomUUID(),
      claim: { job, cur_retry: curRetry },
    });
    if (grant === undefined) return;
    await this.reports.send(startedOf(grant));
    this.startedAt.set(job, performance.now());
    if (this.options.isAsleep === true) {
      this.asleep.set(job, grant);
      return;
    }
    await this.reports.send(finishedOf(grant));
    this.finished += 1;
  }

  private async tellSample(): Promise<void> {
    const jobs = [...this.asleep].map(([job, { claim_id = '' }]) => ({
      ...{ job, claim_id, phase: 'running', cpu: 0, rss: 4_194_304, log_bytes: 0 },
    }));
    const sample: PilotSample = {
      ...{ slots_used: jobs.length, load: 0.5, rss: 83_886_080, disk_free: 68_719_476_736 },
      ...{ jobs_done: this.finished, jobs_failed: 0, jobs },
    };
    await this.reports.send({ sample });
    this.samples += 1;
  }
}

export function startedOf({ job = '', claim_id = '', inputs = [] }: Grant) {
  const process = { pid: 7, boot_id: 'boot', start_time: '1', inputs_checked: inputs.length };
  return { command_id: `${claim_id}/started`, started: { job, claim_id, ...process } };
}

/** Directories of tasks that are there. */
const made = new Set<string>();

/** Its node looks whether they are there. */
function write({ task = '', attempt = 1, data_out_url: url = '', outputs = [] }: Grant): void {
  const directory = join(fileURLToPath(url), task);
  if (!made.has(directory)) mkdirSync(directory, { recursive: true });
  made.add(directory);
  for (const { file_name: name = '' } of outputs)
    writeFileSync(join(directory, nameOfAttempt(name, attempt)), '');
}

export function finishedOf(grant: Grant) {
  const { job = '', task, claim_id = '', attempt = 1, outputs = [], log = {} } = grant;
  write(grant);
  const written = ({ uid = '', file_name = '' }) => ({
    ...{ uid, file_name, path: `${task}/${nameOfAttempt(file_name, attempt)}` },
    ...{ size: 0, check_sum: CHECK_SUM, sha256: SHA256 },
  });
  const result = { exit_code: 0, outputs: outputs.map(written), log: written(log), wall_seconds: 0.001 };
  return { command_id: `${claim_id}/finished`, finished: { job, claim_id, ...result } };
}
