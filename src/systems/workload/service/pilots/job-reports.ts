/**
 * What pilots tell of the jobs that they were granted: that one has started, finished, failed or was ended.
 *
 * Guarantees: it counts only under the claim that the job is under way by, and of the pilot that was granted it, for others may know the
 * claim's id; told again it changes nothing; an end is stored only
 * whole: every file that was ordered, under the name that was granted, below the directory of its task, with size and check sums,
 * and with the size that it has where this node can see it; what can't be true is refused with its field. A failure counts whatever is
 * told of its log, which is left out where that can't be true.
 */

import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JobSnapshot } from '../../../../../machines/workload/job.js';
import { InvalidFieldError, OwlError } from '../../../../base/errors.js';
import * as rules from '../../../../base/field-rules.js';
import { FAULT_OF, isFailureClass } from '../jobs/failure-classes.js';
import { cancelled, type Finished, fail, finish, JobRefusedError, job, start } from '../jobs/job-commands.js';
import type { JobOrder, JobOrders, OrderedOutput } from '../jobs/job-orders.js';
import { nowSeconds, type WorkloadContext } from '../workload-context.js';
import type {
  CancelledMessage,
  FailedMessage,
  FinishedMessage,
  StartedMessage,
  WrittenFile,
} from './report-messages.js';
import { SeenSizes } from './seen-sizes.js';

const LONGEST_DETAIL = 2_000;
const isDetail = rules.isText(LONGEST_DETAIL);
const CHECK_SUM = /^[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}$/;
const isCheckSum: rules.TextRule = (value) =>
  CHECK_SUM.test(value) ? undefined : 'must be an MD5: 32 hex digits, or in the form of a UUID';

type StoredFile = Finished['log'];

/** Who tells it. */
export interface Sender {
  readonly pilot: string;
  readonly sessionId: string;
  /** For the history. */
  readonly by: string;
}

export class JobReports {
  private readonly context: WorkloadContext;
  private readonly orders: JobOrders;
  private readonly sizes: SeenSizes;

  constructor(context: WorkloadContext, orders: JobOrders) {
    this.context = context;
    this.orders = orders;
    this.sizes = new SeenSizes(context.clock);
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
    await this.context.system.execute(job, uid, {
      by,
      decide: (snapshot) => finish(assertOwn(snapshot, uid, pilot), uid, claimId, finished),
    });
    this.orders.forget(uid);
  }

  async failed(told: FailedMessage, sender: Sender): Promise<void> {
    const { uid, claimId } = claimIn('failed', told);
    const failureClass = rules.given('failed.failure_class', told.failure_class, (text) =>
      isFailureClass(text) ? undefined : 'must be one of the classes of failure',
    );
    if (!isFailureClass(failureClass)) return;
    const { exit_code: code } = told;
    const signal = rules.optional('failed.exit_signal', told.exit_signal, rules.isLine(32));
    const failure = {
      class: failureClass,
      detail:
        rules.optional('failed.detail', told.detail?.slice(0, LONGEST_DETAIL), isDetail) ?? failureClass,
      ...(code === undefined ? {} : { exit_code: rules.check('failed.exit_code', code, isExitCode) }),
      ...(signal === undefined ? {} : { exit_signal: signal }),
      ...(FAULT_OF[failureClass] === 'data' ? foundIn(told, await this.orderOf(uid)) : {}),
      ...(await this.logOfFailed(told, uid)),
    };
    await this.fail(uid, claimId, failure, sender);
  }

  async cancelled(told: CancelledMessage, { pilot, sessionId, by }: Sender): Promise<void> {
    const { uid, claimId } = claimIn('cancelled', told);
    const ended = rules.optionalNumber('cancelled.processes_ended', told.processes_ended, rules.isCount) ?? 0;
    await this.context.system.execute(job, uid, {
      by,
      decide: (snapshot) => {
        const own = assertOwn(snapshot, uid, pilot);
        // Where another session has begun it, with data that this one does not see, it may run on: its keeper ends it.
        if (told.unknown === true && own.context.claim?.sessionId !== sessionId) return [];
        return cancelled(own, uid, claimId, ended);
      },
    });
    this.orders.forget(uid);
  }

  private async fail(
    uid: string,
    claimId: string,
    failure: Parameters<typeof fail>[3],
    { pilot, by }: Sender,
  ): Promise<void> {
    const now = nowSeconds(this.context);
    await this.context.system.execute(job, uid, {
      by,
      decide: (snapshot) => fail(assertOwn(snapshot, uid, pilot), uid, claimId, failure, now),
    });
  }

  /** Nothing where it was not stored, and where what is told of it can't be true. */
  private async logOfFailed({ log }: FailedMessage, uid: string): Promise<{ log?: StoredFile }> {
    const order = log === undefined || log === null ? undefined : await this.orders.of(uid);
    if (order === undefined) return {};
    try {
      const told = { ...log, uid: log?.uid ?? '' };
      return { log: writtenIn('failed.log', told, order.log, `${order.task ?? uid}/`) };
    } catch (error) {
      if (!(error instanceof InvalidFieldError)) throw error;
      this.context.logger.warn({ job: uid, reason: error.message }, 'the log of a failed job is left out');
      return {};
    }
  }

  private async orderOf(uid: string): Promise<JobOrder> {
    const order = await this.orders.of(uid);
    if (order !== undefined) return order;
    throw new JobRefusedError('unknown', `there is no job ${uid}`);
  }

  private async finishedIn(told: FinishedMessage, uid: string, order: JobOrder): Promise<Finished> {
    const below = `${order.task ?? uid}/`;
    const files = [...order.outputs.map((ordered, i) => [`finished.outputs.${i}`, ordered] as const)];
    const outputs = files.map(([field, ordered]) => {
      const file = told.outputs?.find((one) => one.uid === ordered.uid) ?? {};
      return writtenIn(field, file, ordered, below);
    });
    const extra = told.outputs?.find((file) => !order.outputs.some((one) => one.uid === file.uid));
    if (extra !== undefined)
      throw new InvalidFieldError('finished.outputs', `hold ${String(extra.uid)}, which was not ordered`);
    const log = writtenIn('finished.log', { ...told.log, uid: told.log?.uid ?? '' }, order.log, below);
    for (const file of outputs) await this.assertSize(order.dataOutUrl, file);
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

  /** Of an output. What this node does not see it can't judge. @throws OwlError reason `size_mismatch` */
  private async assertSize(dataOutUrl: string, { path, size }: StoredFile): Promise<void> {
    if (!dataOutUrl.startsWith('file:///')) return;
    const found = await this.sizes.of(fileURLToPath(dataOutUrl), path);
    if (found === undefined || String(found) === size) return;
    throw new OwlError('refused', `${path} holds ${found} bytes, not ${size}`, { reason: 'size_mismatch' });
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

function writtenIn(field: string, file: WrittenFile, ordered: OrderedOutput, below: string): StoredFile {
  if (file.uid !== ordered.uid) throw new InvalidFieldError(`${field}.uid`, `must be ${ordered.uid}`);
  const path = rules.given(`${field}.path`, file.path, (text) => isBelow(text, below));
  const size = rules.check(`${field}.size`, file.size ?? 0, rules.isByteCount);
  return {
    ...{ uid: ordered.uid, file_name: ordered.file_name, path, size: String(size) },
    check_sum: uuidForm(rules.given(`${field}.check_sum`, file.check_sum?.toLowerCase(), isCheckSum)),
    sha256: rules.given(`${field}.sha256`, file.sha256, rules.isKeyHash),
  };
}

function isBelow(path: string, directory: string): string | undefined {
  const isClean = posix.normalize(path) === path && rules.isLine(1_024)(path) === undefined;
  return isClean && path.startsWith(directory) && path.length > directory.length
    ? undefined
    : `must be a path below ${directory}`;
}

function uuidForm(sum: string): string {
  const hex = sum.replaceAll('-', '');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
