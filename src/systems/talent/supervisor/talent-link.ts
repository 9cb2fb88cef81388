/**
 * The supervisor's standing with talent: the lease, and the stream of work that comes with it.
 *
 * Guarantees: while talent can be reached, the lease is held and work arrives; after a break everything that waits is
 * announced again, so nothing is missed; an announcement that can't be followed keeps none behind it from being followed; of two supervisors for one worker the later one holds the lease and the earlier
 * one does not fight for it.
 */

import type { Logger } from 'pino';
import { wait } from '../../../base/backoff.js';
import type { Clock } from '../../../base/clock.js';
import { messageOf } from '../../../base/errors.js';
import { type LeaseCalls, LeaseHolder } from '../../../peers/holder/lease-holder.js';
import { GO_ON, type LeaseTerms } from '../../../peers/holder/lease-terms.js';
import { UnreachableError } from '../../../wire/call-error.js';
import type { PlotKey } from '../machine/plot-record.js';
import type { PlotTaskStatus, SupervisorLease, SupervisorWorkKind } from '../wire/messages.js';
import type { PlotManagerClient } from '../wire/plot-manager-client.js';
import type { SupervisorFigures } from '../wire/supervisor-figures.js';

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
  /** What goes on on the machine now; default: nothing is told of it. Never throws. */
  readonly figures?: () => SupervisorFigures;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What its supervisor hears. */
export interface TalentNews {
  /** Called for each announcement, in order. */
  onWork(kind: SupervisorWorkKind, task: PlotTaskStatus): void;
  /** The connection broke: what was announced may be out of date. */
  onAway(): void;
}

const UNHEARD: TalentNews = { onWork: () => undefined, onAway: () => undefined };

/** A lease as talent grants it, held on the terms of all supervisors: a plot is never ended for silence. */
interface Granted extends LeaseTerms {
  readonly lease: SupervisorLease;
}

export class TalentLink {
  private readonly options: TalentLinkOptions;
  private readonly holder: LeaseHolder<Granted>;
  private news = UNHEARD;
  private reason: string | undefined;
  private knownWorkerId: string | undefined;

  constructor(options: TalentLinkOptions) {
    this.options = options;
    this.knownWorkerId = options.workerId;
    this.holder = new LeaseHolder<Granted>({
      calls: this.calls(),
      clock: options.clock,
      servedReason: 'talent ended the stream of work',
      hooks: {
        attached: ({ lease }) => this.noteAttached(lease),
        serve: ({ lease }, signal) => this.takeWork(lease, signal),
        away: (reason, wasAttached) => this.noteAway(reason, wasAttached),
        refused: (_error, signal) => this.waitWhileReplaced(signal),
      },
    });
  }

  start(news: TalentNews): void {
    this.news = news;
    this.holder.start();
  }

  /** Gives the lease back where talent can be reached. */
  async stop(reason: string): Promise<void> {
    await this.holder.stop(reason);
  }

  get attached(): boolean {
    return this.holder.grant !== undefined;
  }

  /** Whose work this is; undefined before talent was reached for the first time, unless configured. */
  get workerId(): string | undefined {
    return this.knownWorkerId;
  }

  /** Why it is not attached. */
  get awayReason(): string | undefined {
    return this.reason;
  }

  /** What this machine has. A talent of before does not ask for it. @throws OwlError when it can't be told now */
  async tellPlots(worker_id: string, plots: readonly PlotKey[]): Promise<void> {
    const { client, sessionId, logger } = this.options;
    if (!this.attached) return;
    const told = plots.map(({ task_id, attempt }) => ({ task_id, attempt }));
    try {
      const { missing = [] } = await client.plots({ worker_id, session_id: sessionId, plots: told });
      if (missing.length > 0)
        logger.warn({ missing }, 'talent knows of plots that this machine does not have');
    } catch (error) {
      if (error instanceof UnreachableError) throw error;
      logger.debug({ reason: messageOf(error) }, 'talent was not told what this machine has');
    }
  }

  private calls(): LeaseCalls<Granted> {
    const { client, workerId, sessionId, host, version, leaseSeconds, reportKeyHash } = this.options;
    const { figures, logger } = this.options;
    return {
      attach: async () =>
        granted(
          await client.attach({
            ...(workerId === undefined ? {} : { worker_id: workerId }),
            session_id: sessionId,
            host,
            pid: process.pid,
            version,
            ...(leaseSeconds === undefined ? {} : { lease_seconds: leaseSeconds }),
            ...(reportKeyHash === undefined ? {} : { report_key_hash: reportKeyHash }),
          }),
        ),
      beat: async ({ lease: { worker_id = '' } }) => {
        const told = figures === undefined ? {} : { figures: figures() };
        return granted(await client.heartbeat({ worker_id, session_id: sessionId, ...told }));
      },
      leave: async ({ lease: { worker_id } }, reason) => {
        if (worker_id === undefined) return;
        await client
          .detach({ worker_id, session_id: sessionId, reason })
          .catch((error: unknown) => logger.info({ reason: messageOf(error) }, 'not detached'));
      },
    };
  }

  private noteAttached({ worker_id, lease_seconds }: SupervisorLease): void {
    this.knownWorkerId = worker_id;
    this.reason = undefined;
    this.options.logger.info({ worker: worker_id, lease: lease_seconds }, 'attached to talent');
  }

  private noteAway(reason: string, wasAttached: boolean): void {
    const { logger } = this.options;
    if (wasAttached || reason !== this.reason) logger.warn({ reason }, 'talent is away; plots go on');
    this.reason = reason;
    if (wasAttached) this.news.onAway();
  }

  private async takeWork({ worker_id = '' }: SupervisorLease, signal: AbortSignal): Promise<void> {
    const { client, sessionId, logger } = this.options;
    const work = client.work({ worker_id, session_id: sessionId }, signal);
    for await (const { kind, task = {} } of work) {
      this.holder.isWell();
      if (kind === undefined || kind === 'UNKNOWN') continue;
      try {
        this.news.onWork(kind, task);
      } catch (error) {
        logger.error(
          { err: error, kind, taskId: task.task_id },
          'an announcement of talent can not be followed',
        );
      }
    }
  }

  /** As long as another session is attached for this worker, attaching would only take turns with it. */
  private async waitWhileReplaced(signal: AbortSignal): Promise<void> {
    const { client, sessionId, clock, logger, leaseSeconds = 30 } = this.options;
    const { workerId } = this;
    let told = false;
    while (!signal.aborted) {
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
      await wait(clock, leaseSeconds * 1000, signal);
    }
  }
}

function granted(lease: SupervisorLease): Granted {
  return { lease, leaseSeconds: lease.lease_seconds ?? 30, policy: GO_ON };
}
