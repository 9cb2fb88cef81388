/**
 * What pilots tell of the jobs that they were granted: that one has started, finished, failed or was ended.
 *
 * Guarantees: it counts only under the claim that the job is under way by, and of the pilot that was granted it, for others may know the
 * claim's id; told again it changes nothing; an end is stored only
 * whole: every file that was ordered, under the name of that attempt, in the directory of its task, with size and check sums,
 * there and of that size where this node can see it; what can't be true is refused with its field. A failure counts whatever is
 * told of its log, which is left out where that can't be true, and of its inputs (found-inputs.ts).
 */

import { fileURLToPath } from 'node:url';
import type { JobSnapshot } from '../../../../../machines/workload/job.js';
import { InvalidFieldError, OwlError } from '../../../../base/errors.js';
import * as rules from '../../../../base/field-rules.js';
import { attempted, attemptedOf, logAttempt } from '../jobs/attempt-log.js';
import { FAULT_OF, isFailureClass } from '../jobs/failure-classes.js';
import { storageUrlOf } from '../jobs/grants.js';
import {
  cancelled,
  type Failure,
  type Finished,
  fail,
  finish,
  JobRefusedError,
  job,
  start,
} from '../jobs/job-commands.js';
import type { JobOrder, JobOrders } from '../jobs/job-orders.js';
import { failureTerms, type WorkloadContext } from '../workload-context.js';
import { FoundInputs } from './found-inputs.js';
import type { CancelledMessage, FailedMessage, FinishedMessage, StartedMessage } from './report-messages.js';
import {
  assertOfAttempt,
  isCheckSum,
  outputsIn,
  placeOf,
  type StoredFile,
  uuidForm,
  writtenIn,
} from './reported-files.js';
import type { SeenFiles } from './seen-files.js';
import type { SeenPlaces } from './seen-places.js';

const LONGEST_DETAIL = 2_000;
const isDetail = rules.isText(LONGEST_DETAIL);
/** Who tells it. */
export interface Sender {
  readonly pilot: string;
  readonly sessionId: string;
  /** For the history. */
  readonly by: string;
}

/** What this node knows of storage. */
export interface Sights {
  readonly files: SeenFiles;
  readonly places: SeenPlaces;
}

export class JobReports {
  private readonly context: WorkloadContext;
  private readonly orders: JobOrders;
  private readonly files: SeenFiles;
  private readonly places: SeenPlaces;
  private readonly found: FoundInputs;

  constructor(context: WorkloadContext, orders: JobOrders, { files, places }: Sights) {
    this.context = context;
    this.orders = orders;
    this.files = files;
    this.places = places;
    this.found = new FoundInputs(context.clock, this.files);
  }

  async started(told: StartedMessage, { pilot, by }: Sender): Promise<void> {
    const { uid, claimId } = claimIn('started', told);
    const started = {
      pid: rules.givenNumber('started.pid', told.pid, rules.isPid),
      boot_id: rules.given('started.boot_id', told.boot_id, rules.isLine(64)),
      start_time: rules.given('started.start_time', told.start_time, rules.isLine(64)),
      inputs_checked: rules.optionalNumber('started.inputs_checked', told.inputs_checked, rules.isCount) ?? 0,
    };
    await this.context.system.execute(job, uid, {
      by,
      decide: (snapshot) => start(assertOwn(snapshot, uid, pilot), uid, claimId, started),
    });
  }

  async finished(told: FinishedMessage, sender: Sender): Promise<void> {
    const { uid, claimId } = claimIn('finished', told);
    const order = await this.orderOf(uid);
    const missing = order.outputs.filter(
      ({ uid: output }) => !told.outputs?.some((file) => file.uid === output),
    );
    if (missing.length > 0) {
      const names = missing.map(({ file_name: name }) => name).join(', ');
      const failure = { class: 'output_missing', detail: `it has not written ${names}` } as const;
      return await this.fail(uid, claimId, failure, sender);
    }
    const finished = await this.finishedIn(told, uid, order);
    const { pilot, by } = sender;
    const { events } = await this.context.system.execute(job, uid, {
      by,
      decide: (snapshot) => {
        const own = assertOwn(snapshot, uid, pilot);
        const of = { claimId, below: placeOf(order, uid) };
        for (const [i, file] of finished.outputs.entries())
          assertOfAttempt(`finished.outputs.${i}`, file, own, of);
        assertOfAttempt('finished.log', finished.log, own, of);
        return finish(own, uid, claimId, finished);
      },
    });
    if (finished.outputs.length > 0) this.places.note(order);
    logAttempt(this.context.logger, events, attempted(uid, order, pilot));
  }

  /** @returns what it counts as, where that is another failure than what is told */
  async failed(told: FailedMessage, sender: Sender): Promise<Failure | undefined> {
    const { uid, claimId } = claimIn('failed', told);
    const failureClass = rules.given('failed.failure_class', told.failure_class, (text) =>
      isFailureClass(text) ? undefined : 'must be one of the classes of failure',
    );
    if (!isFailureClass(failureClass)) return undefined;
    const { exit_code: code } = told;
    const signal = rules.optional('failed.exit_signal', told.exit_signal, rules.isLine(32));
    const failure: Failure = {
      class: failureClass,
      detail:
        rules.optional('failed.detail', told.detail?.slice(0, LONGEST_DETAIL), isDetail) ?? failureClass,
      ...(code === undefined ? {} : { exit_code: rules.check('failed.exit_code', code, isExitCode) }),
      ...(signal === undefined ? {} : { exit_signal: signal }),
      ...(FAULT_OF[failureClass] === 'data' ? foundIn(told, await this.orderOf(uid)) : {}),
      ...(await this.logOfFailed(told, uid)),
    };
    const counted = await this.asSeen(failure, uid, sender);
    await this.fail(uid, claimId, counted, sender);
    return counted.class === failure.class ? undefined : counted;
  }

  private async asSeen(failure: Failure, uid: string, { pilot }: Sender): Promise<Failure> {
    if (FAULT_OF[failure.class] !== 'data' || failure.file === undefined) return failure;
    const order = await this.orderOf(uid);
    const input = order.inputs.find((one) => one.uid === failure.file);
    if (input === undefined) return failure;
    const storageUrl = await storageUrlOf(this.context.system, order);
    return await this.found.judge(failure, { input, storageUrl, pilot });
  }

  async cancelled(told: CancelledMessage, { pilot, sessionId, by }: Sender): Promise<void> {
    const { uid, claimId } = claimIn('cancelled', told);
    const ended = rules.optionalNumber('cancelled.processes_ended', told.processes_ended, rules.isCount) ?? 0;
    const { events } = await this.context.system.execute(job, uid, {
      by,
      decide: (snapshot) => {
        const own = assertOwn(snapshot, uid, pilot);
        // Where another session has begun it, with data that this one does not see, it may run on: its keeper ends it.
        if (told.unknown === true && own.context.claim?.sessionId !== sessionId) return [];
        return cancelled(own, uid, claimId, ended);
      },
    });
    logAttempt(this.context.logger, events, attemptedOf(this.context, uid, pilot));
    this.orders.forget(uid);
  }

  private async fail(uid: string, claimId: string, failure: Failure, { pilot, by }: Sender): Promise<void> {
    const terms = failureTerms(this.context);
    const { log, ...bare } = failure;
    const below = log === undefined ? '' : placeOf(await this.orderOf(uid), uid);
    const { events } = await this.context.system.execute(job, uid, {
      by,
      decide: (snapshot) => {
        const own = assertOwn(snapshot, uid, pilot);
        const isOwn = log !== undefined && this.isOfAttempt(log, own, uid, { claimId, below });
        return fail(own, uid, claimId, isOwn ? failure : bare, terms);
      },
    });
    logAttempt(this.context.logger, events, attemptedOf(this.context, uid, pilot));
  }

  private isOfAttempt(
    log: StoredFile,
    own: JobSnapshot,
    uid: string,
    of: { readonly claimId: string; readonly below: string },
  ): boolean {
    try {
      assertOfAttempt('failed.log', log, own, of);
      return true;
    } catch (error) {
      this.leaveOutLog(uid, error);
      return false;
    }
  }

  /** Nothing where it was not stored, and where what is told of it can't be true. */
  private async logOfFailed({ log }: FailedMessage, uid: string): Promise<{ log?: StoredFile }> {
    const order = log === undefined || log === null ? undefined : await this.orders.of(uid);
    if (order === undefined) return {};
    try {
      const told = { ...log, uid: log?.uid ?? '' };
      return { log: writtenIn('failed.log', told, order.log, placeOf(order, uid)) };
    } catch (error) {
      this.leaveOutLog(uid, error);
      return {};
    }
  }

  private leaveOutLog(uid: string, error: unknown): void {
    if (!(error instanceof InvalidFieldError)) throw error;
    this.context.logger.warn({ job: uid, reason: error.message }, 'the log of a failed job is left out');
  }

  private async orderOf(uid: string): Promise<JobOrder> {
    const order = await this.orders.of(uid);
    if (order !== undefined) return order;
    throw new JobRefusedError('unknown', `there is no job ${uid}`);
  }

  private async finishedIn(told: FinishedMessage, uid: string, order: JobOrder): Promise<Finished> {
    const below = placeOf(order, uid);
    const outputs = outputsIn(told, order, below);
    const log = writtenIn('finished.log', { ...told.log, uid: told.log?.uid ?? '' }, order.log, below);
    for (const file of outputs) await this.assertThere(order.dataOutUrl, file);
    const cpu = rules.optionalNumber('finished.cpu_seconds', told.cpu_seconds, rules.isDuration);
    const rss = rules.optionalNumber('finished.max_rss', told.max_rss, rules.isByteCount);
    return {
      exit_code: rules.check('finished.exit_code', told.exit_code ?? 0, isSuccess),
      ...{ outputs, log },
      ...(cpu === undefined ? {} : { cpu_seconds: cpu }),
      ...(rss === undefined ? {} : { max_rss: String(rss) }),
      wall_seconds: rules.optionalNumber('finished.wall_seconds', told.wall_seconds, rules.isDuration) ?? 0,
    };
  }

  /** Of an output. What this node does not see it can't judge. @throws OwlError reason `size_mismatch` or `output_not_there` */
  private async assertThere(dataOutUrl: string, { path, size }: StoredFile): Promise<void> {
    if (!dataOutUrl.startsWith('file:///')) return;
    const directory = fileURLToPath(dataOutUrl);
    const seen = await this.files.surely(directory, path);
    if (seen === 'unseen' || String(seen) === size) return;
    if (typeof seen === 'number')
      throw new OwlError('refused', `${path} holds ${seen} bytes, not ${size}`, { reason: 'size_mismatch' });
    throw new OwlError(
      'refused',
      `${path} is not there, as this node sees ${directory}: is it mounted where the pilot is, and here?`,
      { reason: 'output_not_there' },
    );
  }
}

/** @throws JobRefusedError reason `stale_claim` where another pilot has it */
function assertOwn(snapshot: JobSnapshot, uid: string, pilot: string): JobSnapshot {
  const { claim } = snapshot.context;
  if (claim === null || claim.pilot === pilot) return snapshot;
  throw new JobRefusedError('stale_claim', `job ${uid} is granted to pilot ${claim.pilot}, not to ${pilot}`);
}

const isSuccess: rules.NumberRule = (code) =>
  code === 0 ? undefined : 'must be 0: a payload that ended otherwise has failed';
const isExitCode = rules.isWhole(0, 255);

function claimIn(report: string, told: { job?: string; claim_id?: string }) {
  return {
    uid: rules.given(`${report}.job`, told.job, rules.isId),
    claimId: rules.given(`${report}.claim_id`, told.claim_id, rules.isId),
  };
}

/** Which input it is, and what was found in its place. @throws InvalidFieldError for a file that the job does not read */
function foundIn({ file, found_size: size, found_check_sum: sum }: FailedMessage, order: JobOrder) {
  if (file === undefined || file === '') return {};
  if (!order.inputs.some(({ uid }) => uid === file))
    throw new InvalidFieldError('failed.file', 'must be the uid of an input of the job');
  const found = rules.optional('failed.found_check_sum', sum?.toLowerCase(), isCheckSum);
  return {
    file,
    ...(size === undefined
      ? {}
      : { found_size: String(rules.check('failed.found_size', size, rules.isByteCount)) }),
    ...(found === undefined ? {} : { found_check_sum: uuidForm(found) }),
  };
}
