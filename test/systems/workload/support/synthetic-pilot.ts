/** A pilot without processes: it attaches, hears its work, and reports what a test has it report. */

import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Test } from 'tap';
import type {
  FinishedMessage,
  PilotReport,
  PilotReportAnswer,
} from '../../../../src/systems/workload/service/pilots/report-messages.js';
import type { WorkMessage } from '../../../../src/systems/workload/service/pilots/work-streams.js';
import type { PeersClient } from '../../../../src/wire/peers-client.js';
import { until } from '../../../support/until.js';
import type { PilotsClient } from './clients.js';
import type { WorkloadNode } from './workload-node.js';

export interface Granted {
  readonly job: string;
  readonly claim_id: string;
  readonly attempt: number;
  readonly data_out_seen?: string;
  readonly outputs?: readonly { readonly uid: string; readonly file_name: string }[];
  readonly log?: { readonly uid: string; readonly file_name: string };
}

type Told = Omit<PilotReport, 'seq' | 'pilot' | 'session_id'>;

export interface PilotTraits {
  readonly name?: string;
  readonly session?: string;
  readonly device?: string;
  readonly slots?: number;
  readonly executables?: readonly string[];
  readonly memoryMib?: number;
  /** Its data directory. */
  readonly instance?: string;
}

type Served = Pick<WorkloadNode, 'pilots' | 'peers'>;

export class SyntheticPilot {
  readonly name: string;
  readonly session: string;
  /** All that it was told, in order. */
  readonly told: WorkMessage[] = [];
  /** Called with each hint as it comes. */
  onHint: (job: string, curRetry: number) => void = () => undefined;
  /** Called when a job is to be ended. */
  onCancel: (job: string, claimId: string) => void = () => undefined;
  /** Its stream of work has ended, with that. */
  ended: unknown;
  private readonly traits: PilotTraits;
  private readonly peers: PeersClient;
  private readonly client: PilotsClient;
  private readonly over = new AbortController();
  private readonly waiting = new Map<number, (answer: PilotReportAnswer) => void>();
  private stream: ReturnType<PilotsClient['report']> | undefined;
  private seq = 0;

  constructor({ pilots, peers }: Served, traits: PilotTraits = {}) {
    this.traits = traits;
    this.name = traits.name ?? 'p1';
    this.session = traits.session ?? randomUUID();
    this.peers = peers;
    this.client = pilots;
  }

  get hints(): string[] {
    return this.told.flatMap(({ hint }) => (hint === undefined || hint === null ? [] : [hint.job]));
  }

  async attach(): Promise<void> {
    const { device = 'cpu', slots = 1, executables = ['wc'], memoryMib, instance } = this.traits;
    await this.peers.attach({
      ...{
        category: 'wl_pilot',
        peer_id: this.name,
        session_id: this.session,
        protocol_min: 1,
        protocol_max: 1,
      },
      body: JSON.stringify({
        ...{ device_type: device, slots, executables },
        ...(instance === undefined ? {} : { instance }),
        ...(memoryMib === undefined ? {} : { memory_mib: memoryMib }),
      }),
    });
  }

  async beat(): Promise<void> {
    await this.peers.beat({ category: 'wl_pilot', peer_id: this.name, session_id: this.session });
  }

  async leave(): Promise<void> {
    await this.peers.leave({ category: 'wl_pilot', peer_id: this.name, session_id: this.session });
  }

  /** Hears its work from now on. */
  listen(): void {
    void this.follow().catch((error: unknown) => {
      this.ended = error;
    });
  }

  /** Sends a report and resolves with its answer. */
  tell(
    told: Told,
    from: { readonly pilot?: string; readonly session?: string } = {},
  ): Promise<PilotReportAnswer> {
    this.stream ??= this.openReports();
    this.seq += 1;
    const { seq } = this;
    const report: PilotReport = {
      ...{ seq, pilot: from.pilot ?? this.name, session_id: from.session ?? this.session },
      ...told,
    };
    const { stream } = this;
    return new Promise((resolve) => {
      this.waiting.set(seq, resolve);
      stream.write(report);
    });
  }

  claim(job: string, curRetry = 0, commandId: string = randomUUID()): Promise<PilotReportAnswer> {
    return this.tell({ command_id: commandId, claim: { job, cur_retry: curRetry } });
  }

  /** Waits for a hint of that job, and claims it. */
  async take(job: string): Promise<Granted> {
    await until(`there is a hint of ${job}`, () => this.hints.includes(job));
    const hint = this.told.findLast((message) => message.hint?.job === job)?.hint;
    const { grant, msg } = await this.claim(job, hint?.cur_retry ?? 0);
    if (grant === undefined) throw new Error(`no grant of ${job}: ${msg}`);
    return grant;
  }

  started(grant: Granted): Promise<PilotReportAnswer> {
    const { job, claim_id } = grant;
    return this.tell({
      started: { job, claim_id, pid: 7, boot_id: 'b', start_time: '1', inputs_checked: 1 },
    });
  }

  finished(grant: Granted, more: object = {}): Promise<PilotReportAnswer> {
    return this.tell({ finished: { ...this.finishedMessage(grant), ...more } });
  }

  finishedMessage({ job, claim_id, attempt }: Granted): FinishedMessage {
    const written = (uid: string, name: string) => ({
      ...{ uid, file_name: name, path: `${job}/${name.replace('.j0', `.j0.a${attempt}`)}`, size: 4 },
      ...{ check_sum: 'b026324c6904b2a9cb4b88d6d61c81d1', sha256: '4'.repeat(64) },
    });
    return {
      ...{ job, claim_id, exit_code: 0, wall_seconds: 0.5, cpu_seconds: 0.25, max_rss: 4096 },
      outputs: [written('o0', 'a.j0.txt')],
      log: written('l0', 'a.j0.log'),
    };
  }

  failed(grant: Granted, failureClass: string, detail = 'it failed'): Promise<PilotReportAnswer> {
    const { job, claim_id } = grant;
    return this.tell({ failed: { job, claim_id, failure_class: failureClass, detail } });
  }

  /** Dies: nothing is heard of it any more. */
  close(): void {
    this.over.abort();
    this.stream?.cancel();
  }

  private async follow(): Promise<void> {
    const asked = { pilot: this.name, session_id: this.session };
    for await (const message of this.client.work(asked, this.over.signal)) {
      this.told.push(message);
      if (message.hint !== undefined && message.hint !== null)
        this.onHint(message.hint.job, message.hint.cur_retry);
      if (message.cancel !== undefined && message.cancel !== null)
        this.onCancel(message.cancel.job, message.cancel.claim_id);
    }
  }

  /** Sent until it is answered for good, whatever becomes of the node meanwhile. */
  async tellSurely(told: Told): Promise<PilotReportAnswer> {
    for (;;) {
      const answer = await this.tell(told);
      if (answer.retryable !== true) return answer;
      await pause(20);
    }
  }

  /** Hears its work from whichever node there is, until it dies. */
  async listenSurely(): Promise<void> {
    while (!this.over.signal.aborted) {
      await this.follow().catch(() => undefined);
      await pause(20);
    }
  }

  private openReports() {
    const stream = this.client.report();
    const broken = () => {
      if (this.stream === stream) this.stream = undefined;
      for (const settle of this.waiting.values()) settle({ is_success: false, retryable: true });
      this.waiting.clear();
    };
    stream.on('error', broken);
    stream.on('end', broken);
    stream.on('data', ({ answers = [] }: { answers?: PilotReportAnswer[] }) => {
      for (const answer of answers) {
        const { seq = 0 } = answer;
        this.waiting.get(seq)?.(answer);
        this.waiting.delete(seq);
      }
    });
    return stream;
  }
}

/** Attached, and hearing its work. It dies with the test. */
export async function startPilot(t: Test, node: Served, traits?: PilotTraits): Promise<SyntheticPilot> {
  const pilot = new SyntheticPilot(node, traits);
  t.teardown(() => pilot.close());
  await pilot.attach();
  pilot.listen();
  return pilot;
}

/** Beats until the test ends, or as long as asked. */
export function keepBeating(t: { teardown(end: () => void): unknown }, pilot: SyntheticPilot): () => void {
  const timer = setInterval(() => void pilot.beat().catch(() => undefined), 250);
  const end = () => clearInterval(timer);
  t.teardown(end);
  return end;
}
