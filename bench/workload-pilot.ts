/** A pilot without processes for benchmarks: it claims whatever it is hinted, and reports each job as finished at once. */

import { randomUUID } from 'node:crypto';
import { PilotClient, type PilotReports } from '../src/systems/workload/wire/pilot-client.js';
import type { Grant } from '../src/systems/workload/wire/pilot-messages.js';
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
}

export class BenchPilot {
  finished = 0;
  /** When each job was told as started, by its uid. Milliseconds of `performance.now`. */
  readonly startedAt = new Map<string, number>();
  private readonly options: BenchPilotOptions;
  private readonly session = randomUUID();
  private readonly client: PilotClient;
  private readonly peers: PeersClient;
  private readonly reports: PilotReports;
  private readonly over = new AbortController();
  private beating: NodeJS.Timeout | undefined;

  constructor(options: BenchPilotOptions) {
    this.options = options;
    const { server, credentials, name } = options;
    this.client = new PilotClient({ server, credentials });
    this.peers = new PeersClient({ server, credentials });
    this.reports = this.client.reports(name, () => this.session);
  }

  async start(): Promise<void> {
    const { name, slots, executable } = this.options;
    const peer = { category: 'wl_pilot', peer_id: name, session_id: this.session };
    const body = JSON.stringify({ device_type: 'cpu', slots, executables: [executable] });
    await this.peers.attach({ ...peer, protocol_min: 1, protocol_max: 1, body });
    this.beating = setInterval(() => void this.peers.beat(peer).catch(() => undefined), 5_000);
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
    await this.reports.send(finishedOf(grant));
    this.finished += 1;
  }
}

function startedOf({ job = '', claim_id = '', inputs = [] }: Grant) {
  const process = { pid: 7, boot_id: 'boot', start_time: '1', inputs_checked: inputs.length };
  return { command_id: `${claim_id}/started`, started: { job, claim_id, ...process } };
}

function finishedOf({ job = '', task, claim_id = '', attempt = 1, outputs = [], log = {} }: Grant) {
  const written = ({ uid = '', file_name = '' }) => ({
    ...{ uid, file_name, path: `${task}/${file_name.replace(/(\.[^.]*)?$/, `.a${attempt}$1`)}` },
    ...{ size: 0, check_sum: CHECK_SUM, sha256: SHA256 },
  });
  const result = { exit_code: 0, outputs: outputs.map(written), log: written(log), wall_seconds: 0.001 };
  return { command_id: `${claim_id}/finished`, finished: { job, claim_id, ...result } };
}
