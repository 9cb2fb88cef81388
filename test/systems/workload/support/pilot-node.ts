/**
 * A node as far as pilots see it, over real gRPC: leases of owl.Peers and PilotManager, for as many pilots as come. It grants what it
 * has hinted at, remembers what it is told, and can be made to be away, to refuse, and to answer late.
 *
 * Guarantees: what it answers follows from what is in its fields, so a test says what happened before; a claim that is asked for again
 * under the same command id is answered as the first time, as a node does.
 */

import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import type { Test } from 'tap';
import type {
  Grant,
  JobInputs,
  JobInputsRequest,
  JobSample,
  PilotReport,
  PilotReportAnswer,
  PilotReportAnswers,
  Work,
  WorkRequest,
} from '../../../../src/systems/workload/wire/pilot-messages.js';
import type { PeerAttachRequest, PeerLease } from '../../../../src/wire/peer-messages.js';
import { loadProto, serviceOf } from '../../../../src/wire/proto.js';
import { until } from '../../../support/until.js';

export interface Terms {
  readonly lease_seconds: number;
  readonly give_up_seconds: number;
  readonly margin_seconds: number;
}

const LONG: Terms = { lease_seconds: 3, give_up_seconds: 600, margin_seconds: 60 };

type WorkCall = ServerWritableStream<WorkRequest, Work>;

export class PilotNode {
  /** What there is to claim, by job. */
  readonly orders = new Map<string, Grant>();
  /** Granted claims, by command id. */
  readonly grants = new Map<string, Grant>();
  /** Reports that are no samples, in the order they came. */
  readonly told: PilotReport[] = [];
  readonly attached: PeerAttachRequest[] = [];
  readonly left: string[] = [];
  samples: JobSample[][] = [];
  /** Why it takes nothing, with each sample. */
  readonly resting: (string | undefined)[] = [];
  /** Claims that count no more. */
  readonly stale = new Set<string>();
  terms = LONG;
  /** When a pilot was heard last: milliseconds of the wall clock. */
  heardAt = 0;
  /** Nobody is answered. */
  isAway = false;
  /** Instead of what it would answer. */
  answers: (report: PilotReport) => PilotReportAnswer | undefined = () => undefined;
  private readonly streams = new Map<string, WorkCall>();
  private session: string | undefined;
  private readonly server = new Server();
  address = '';

  static async start(t: Test): Promise<PilotNode> {
    const node = new PilotNode();
    await node.listen();
    t.teardown(() => node.server.forceShutdown());
    return node;
  }

  /** How many pilots are told of work. */
  get listening(): number {
    return this.streams.size;
  }

  /** Puts a job up and tells every pilot of it. */
  offer(grant: Grant & { readonly job: string }): void {
    this.orders.set(grant.job, grant);
    this.send({ hint: { job: grant.job, cur_retry: grant.cur_retry ?? 0 } });
  }

  send(work: Work): void {
    for (const stream of this.streams.values()) stream.write(work);
  }

  /** What was told of a job. */
  of(job: string): PilotReport[] {
    return this.told.filter((report) => jobOf(report) === job);
  }

  /** How an attempt at a job came out. */
  async outcome(job: string, nth = 1): Promise<PilotReport> {
    const outcomes = () => this.of(job).filter((one) => one.finished ?? one.failed ?? one.cancelled);
    await until(`${job} has come out`, () => outcomes().length >= nth);
    return outcomes()[nth - 1] ?? {};
  }

  async until(what: string, condition: () => boolean): Promise<void> {
    await until(what, condition);
  }

  /** The connection of every stream breaks. */
  breakStreams(): void {
    for (const stream of this.streams.values())
      stream.destroy(Object.assign(new Error('away'), { code: status.UNAVAILABLE, details: 'away' }));
    this.streams.clear();
  }

  private async listen(): Promise<void> {
    this.server.addService(serviceOf(loadProto('runtime'), 'owl.Peers'), {
      attach: this.answering((request: PeerAttachRequest) => this.attach(request)),
      beat: this.answering((request: PeerAttachRequest) => this.beat(request)),
      leave: this.answering(({ session_id = '' }: PeerAttachRequest) => {
        this.left.push(session_id);
        return {};
      }),
      list: this.answering(() => ({})),
    });
    const manager = serviceOf(loadProto('workload'), 'workload.PilotManager');
    const refuse = this.answering(() => ({}));
    this.server.addService(manager, {
      ...Object.fromEntries(Object.keys(manager).map((name) => [name, refuse])),
      work: (call: WorkCall) => this.work(call),
      report: (call: ServerDuplexStream<PilotReport, PilotReportAnswers>) => this.takeReports(call),
      job_inputs: this.answering((request: JobInputsRequest) => this.inputs(request)),
    });
    const port = await new Promise<number>((resolve, reject) => {
      this.server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
        error === null ? resolve(bound) : reject(error),
      );
    });
    this.address = `127.0.0.1:${port}`;
  }

  private answering<Request, Answer>(answer: (request: Request) => Answer) {
    return (call: ServerUnaryCall<Request, Answer>, done: sendUnaryData<Answer>): void => {
      try {
        if (this.isAway) throw refusal(status.UNAVAILABLE, 'away');
        done(null, answer(call.request));
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    };
  }

  attach(request: PeerAttachRequest): PeerLease {
    this.attached.push(request);
    this.session = request.session_id;
    return { ...this.lease(), protocol: 1 };
  }

  /** Throws as a node refuses. */
  beat({ session_id }: PeerAttachRequest): PeerLease {
    if (session_id !== this.session)
      throw refusal(status.FAILED_PRECONDITION, 'another session holds the lease');
    return this.lease();
  }

  private lease(): PeerLease {
    this.heardAt = Date.now();
    return { ...this.terms, policy: 'end' };
  }

  private work(call: WorkCall): void {
    const { pilot = '' } = call.request;
    this.streams.set(pilot, call);
    call.on('cancelled', () => {
      if (this.streams.get(pilot) === call) this.streams.delete(pilot);
      call.end();
    });
    for (const { job = '', cur_retry = 0 } of this.orders.values()) call.write({ hint: { job, cur_retry } });
  }

  private takeReports(call: ServerDuplexStream<PilotReport, PilotReportAnswers>): void {
    call.on('data', (report: PilotReport) => {
      if (this.isAway) return;
      const { seq = 0 } = report;
      call.write({ answers: [{ seq, ...this.answerTo(report) }] });
    });
    call.on('end', () => call.end());
    call.on('error', () => undefined);
  }

  answerTo(report: PilotReport): PilotReportAnswer {
    const { sample, claim, command_id = '' } = report;
    if (sample === undefined) this.told.push(report);
    else {
      this.samples.push(sample.jobs ?? []);
      this.resting.push(sample.resting);
    }
    const ordered = this.answers(report);
    if (ordered !== undefined) return ordered;
    if (claim !== undefined) return this.grant(claim.job ?? '', command_id);
    const claimId = (report.started ?? report.finished ?? report.failed ?? report.cancelled)?.claim_id;
    if (claimId !== undefined && this.stale.has(claimId))
      return { is_success: false, reason: 'stale_claim', msg: 'it counts no more' };
    return { is_success: true };
  }

  private grant(job: string, command: string): PilotReportAnswer {
    const known = this.grants.get(command);
    if (known !== undefined) return { is_success: true, grant: known };
    const order = this.orders.get(job);
    if (order === undefined) return { is_success: false, reason: 'claimed', msg: 'somebody else has it' };
    this.orders.delete(job);
    const grant = { attempt: 1, ...order, claim_id: `claim-${command}` };
    this.grants.set(command, grant);
    return { is_success: true, grant };
  }

  inputs({ job, claim_id = '', from = 0 }: JobInputsRequest): JobInputs {
    if (this.stale.has(claim_id)) throw refusal(status.FAILED_PRECONDITION, 'it counts no more');
    const all = [...this.allInputs.entries()].find(([name]) => name === job)?.[1] ?? [];
    return { inputs: all.slice(from, from + 100), inputs_total: all.length };
  }

  /** Of jobs with more than a grant holds. */
  readonly allInputs = new Map<string, NonNullable<JobInputs['inputs']>>();
}

function jobOf({ claim, started, finished, failed, cancelled }: PilotReport): string | undefined {
  return (claim ?? started ?? finished ?? failed ?? cancelled)?.job;
}

function refusal(code: status, details: string): Error {
  return Object.assign(new Error(details), { code, details });
}
