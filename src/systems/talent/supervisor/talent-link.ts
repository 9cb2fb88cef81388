/**
 * The supervisor's standing with talent: the lease, and the stream of work that comes with it.
 *
 * Guarantees: while talent can be reached, the lease is held and work arrives; after a break everything that waits is
 * announced again, so nothing is missed; an announcement that can't be followed keeps none behind it from being followed; of two supervisors for one worker the later one holds the lease and the earlier
 * one does not fight for it.
 */

import type { Logger } from 'pino';
import { Backoff, wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import type { PlotTaskStatus, SupervisorLease, SupervisorWorkKind } from '../wire/messages.js';
import type { PlotManagerClient } from '../wire/plot-manager-client.js';

const DETACH_WITHIN_MS = 2_000;

export interface TalentLinkOptions {
  readonly client: PlotManagerClient;
  /** Undefined: whoever talent's own node is. */
  readonly workerId: string | undefined;
  readonly sessionId: string;
  readonly host: string;
  readonly version: string;
  /** Hash of the key that this machine reports with; undefined when it has none. */
  readonly reportKeyHash: string | undefined;
  /** Undefined: as talent has it. */
  readonly leaseSeconds: number | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called for each announcement, in order. */
  readonly onWork: (kind: SupervisorWorkKind, task: PlotTaskStatus) => void;
  /** The connection broke: what was announced may be out of date. */
  readonly onAway: () => void;
}

export class TalentLink {
  private readonly options: TalentLinkOptions;
  private readonly backoff = new Backoff({ firstMs: 100, longestMs: 5_000 });
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  private lease: SupervisorLease | undefined;
  private reason: string | undefined;
  private knownWorkerId: string | undefined;

  constructor(options: TalentLinkOptions) {
    this.options = options;
    this.knownWorkerId = options.workerId;
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Gives the lease back where talent can be reached. */
  async stop(reason: string): Promise<void> {
    const { client, sessionId, clock } = this.options;
    const { lease } = this;
    this.stopping.abort();
    await this.running;
    if (lease?.worker_id === undefined) return;
    const detaching = client
      .detach({ worker_id: lease.worker_id, session_id: sessionId, reason })
      .catch((error: unknown) => this.options.logger.info({ reason: messageOf(error) }, 'not detached'));
    const late = new AbortController();
    await Promise.race([detaching, wait(clock, DETACH_WITHIN_MS, late.signal)]);
    late.abort();
  }

  get attached(): boolean {
    return this.lease !== undefined;
  }

  /** Whose work this is; undefined before talent was reached for the first time, unless configured. */
  get workerId(): string | undefined {
    return this.knownWorkerId;
  }

  /** Why it is not attached. */
  get awayReason(): string | undefined {
    return this.reason;
  }

  private async run(): Promise<void> {
    const { clock, logger, onAway } = this.options;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      let error: unknown;
      try {
        await this.attach();
        await this.serve();
      } catch (caught) {
        error = caught;
      }
      if (signal.aborted) return;
      const wasAttached = this.lease !== undefined;
      this.lease = undefined;
      const reason = error === undefined ? 'talent ended the stream of work' : messageOf(error);
      if (wasAttached || reason !== this.reason) logger.warn({ reason }, 'talent is away; plots go on');
      this.reason = reason;
      if (wasAttached) onAway();
      await wait(clock, this.backoff.next(), signal);
      if (error instanceof OwlError && error.kind === 'refused') await this.waitWhileReplaced();
    }
  }

  private async attach(): Promise<void> {
    const { client, workerId, sessionId, host, version, leaseSeconds, reportKeyHash, logger } = this.options;
    this.lease = await client.attach({
      ...(workerId === undefined ? {} : { worker_id: workerId }),
      session_id: sessionId,
      host,
      pid: process.pid,
      version,
      ...(leaseSeconds === undefined ? {} : { lease_seconds: leaseSeconds }),
      ...(reportKeyHash === undefined ? {} : { report_key_hash: reportKeyHash }),
    });
    this.knownWorkerId = this.lease.worker_id;
    this.reason = undefined;
    logger.info({ worker: this.lease.worker_id, lease: this.lease.lease_seconds }, 'attached to talent');
  }

  /** Until the lease or the stream is lost, whichever comes first. */
  private async serve(): Promise<void> {
    const over = new AbortController();
    const end = (): void => over.abort();
    // Also when it is stopped already: the stop may have come while it was attaching.
    const signal = AbortSignal.any([this.stopping.signal, over.signal]);
    await Promise.all([this.holdLease(signal).finally(end), this.takeWork(signal).finally(end)]);
  }

  private async holdLease(signal: AbortSignal): Promise<void> {
    const { client, clock, sessionId } = this.options;
    while (!signal.aborted) {
      const { worker_id = '', lease_seconds = 30 } = this.lease ?? {};
      await wait(clock, (lease_seconds * 1000) / 3, signal);
      if (!signal.aborted) this.lease = await client.heartbeat({ worker_id, session_id: sessionId });
    }
  }

  private async takeWork(signal: AbortSignal): Promise<void> {
    const { client, sessionId, onWork, logger } = this.options;
    const { worker_id = '' } = this.lease ?? {};
    const work = client.work({ worker_id, session_id: sessionId }, signal);
    for await (const { kind, task = {} } of work) {
      this.backoff.reset();
      if (kind === undefined || kind === 'UNKNOWN') continue;
      try {
        onWork(kind, task);
      } catch (error) {
        logger.error(
          { err: error, kind, taskId: task.task_id },
          'an announcement of talent can not be followed',
        );
      }
    }
  }

  /** As long as another session is attached for this worker, attaching would only take turns with it. */
  private async waitWhileReplaced(): Promise<void> {
    const { client, sessionId, clock, logger, leaseSeconds = 30 } = this.options;
    const { workerId } = this;
    let told = false;
    while (!this.stopping.signal.aborted) {
      const { supervisors = [] } = await client.supervisors().catch(() => ({ supervisors: [] }));
      const other = supervisors.find(
        ({ worker_id, status, session_id }) =>
          worker_id === workerId && status === 'attached' && session_id !== sessionId,
      );
      if (other === undefined) return;
      if (!told) {
        logger.error(
          { worker: workerId, host: other.host, pid: other.pid },
          'another supervisor holds the lease of this worker; waiting until it is gone (give each its own worker_id)',
        );
      }
      told = true;
      await wait(clock, leaseSeconds * 1000, this.stopping.signal);
    }
  }
}
