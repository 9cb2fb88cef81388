/**
 * Claims become grants.
 *
 * Guarantees: a grant is stored before it is given; the same claim, sent again, gets the same grant, also of a pilot that was restarted
 * and has another session by now; who may not have it is told why in a word that programs go by, and nothing is stored; nothing
 * is granted to who drains, is lost or was replaced, nor while the executor is strictly off (what was queued is taken back then,
 * switches/settling.ts), nor of a task that is held or ends: a grant passes the gate of its task (src/base/gates.ts), so behind an
 * order that ends its grants none is stored.
 */

import type { PilotSnapshot } from '../../../../../machines/workload/pilot.js';
import type { TaskSnapshot } from '../../../../../machines/workload/task.js';
import { uuidOf } from '../../../../base/uuid.js';
import { dataset } from '../datasets/dataset-types.js';
import { isStrictlyOff } from '../switches/switch-gates.js';
import { task } from '../tasks/task-type.js';
import type { WorkloadContext } from '../workload-context.js';
import { type Attempted, attempted, logAttempt } from './attempt-log.js';
import {
  type ClaimRequest,
  grant,
  isGranted,
  JobRefusedError,
  job,
  type RefusedClaim,
} from './job-commands.js';
import type { JobOrder, JobOrders, OrderedInput, OrderedOutput } from './job-orders.js';

/** Inputs of a grant; the others are asked for. */
export const MOST_INPUTS = 200;

export interface Claim {
  readonly pilot: string;
  readonly sessionId: string;
  readonly commandId: string;
  readonly job: string;
  /** Of the hint. */
  readonly curRetry: number;
}

export function claimIdOf({ pilot, commandId, job: uid }: Claim, attempt: number): string {
  return uuidOf(`owl/workload/claim/1/${pilot}/${commandId}/${uid}/${attempt}`);
}

/** The attempt that a claim stands for, and the job's own failures before it. */
interface Granted {
  readonly attempt: number;
  readonly curRetry: number;
}

interface Asked {
  readonly request: ClaimRequest;
  readonly pilot: PilotSnapshot;
  readonly by: string;
}

/** Where outputs go. */
export interface Places {
  /** Which of its directories is known to be there, as a URL. */
  of(order: JobOrder): Promise<string | undefined>;
}

/** As the wire has it. */
export interface GrantMessage {
  readonly job: string;
  readonly claim_id: string;
  readonly attempt: number;
}

export class Grants {
  private readonly context: Pick<WorkloadContext, 'system' | 'gates' | 'logger'>;
  private readonly orders: JobOrders;
  private readonly places: Places;

  constructor(
    context: Pick<WorkloadContext, 'system' | 'gates' | 'logger'>,
    orders: JobOrders,
    places: Places,
  ) {
    this.context = context;
    this.orders = orders;
    this.places = places;
  }

  /**
   * @param pilot as it is stored; its session was looked at
   * @throws JobRefusedError
   */
  async grant(claim: Claim, pilot: PilotSnapshot, by: string): Promise<GrantMessage> {
    const { job: uid } = claim;
    const order = await this.orders.of(uid);
    if (order === undefined) throw refused('unknown', uid, 'is not there');
    const request = requestOf(claim, pilot);
    const storageUrl = await storageUrlOf(this.context.system, order);
    const of = Object.assign({ command: claim.commandId }, attempted(uid, order, claim.pilot));
    const granted = await this.granted(uid, of, { request, pilot, by });
    const seen = await this.places.of(order);
    return messageOf(uid, order, {
      claimId: request.claimIdOf(granted.attempt),
      storageUrl,
      seen,
      ...granted,
    });
  }

  private async granted(uid: string, of: Attempted, { request, pilot, by }: Asked): Promise<Granted> {
    const { system, gates, logger } = this.context;
    const { task: ofTask } = of;
    const store = async (): Promise<Granted> => {
      let granted = { attempt: 0, curRetry: 0 };
      const { events: stored } = await system.execute(job, uid, {
        by,
        decide: (snapshot) => {
          const events = grant(snapshot, uid, request);
          const { attempt, curRetry } = snapshot.context;
          granted = { attempt: attempt + events.length, curRetry };
          return events;
        },
      });
      logAttempt(logger, stored, of);
      return granted;
    };
    const before = await system.read(job, uid);
    if (isGranted(before.snapshot, request)) return await store();
    assertServes(pilot, uid);
    await this.assertEnabled(uid);
    try {
      if (ofTask === undefined) return await store();
      return await gates.pass(ofTask, async () => {
        await this.assertGoesOn(ofTask, uid);
        return await store();
      });
    } catch (error) {
      // It was taken back meanwhile, as it may be.
      if (error instanceof JobRefusedError && error.reason === 'stale') await this.assertEnabled(uid);
      throw error;
    }
  }

  private async assertEnabled(uid: string): Promise<void> {
    if (await isStrictlyOff(this.context))
      throw refused('disabled', uid, 'is not granted while the executor is switched off, strictly');
  }

  private async assertGoesOn(uid: string, ofJob: string): Promise<void> {
    const { value, context } = (await this.context.system.read(task, uid)).snapshot;
    if (context.held) throw refused('held', ofJob, `belongs to task ${uid}, which is held`);
    if (!GOING_ON.has(value)) throw refused('cancelled', ofJob, `belongs to task ${uid}, which is ${value}`);
  }
}

/** Where the inputs lie: what jobs have written is where they wrote it. */
export async function storageUrlOf(
  system: WorkloadContext['system'],
  { task: ofTask, level, inputs, dataOutUrl }: JobOrder,
): Promise<string> {
  if (level > 1) return dataOutUrl;
  if (ofTask !== undefined) {
    const { order } = (await system.read(task, ofTask)).snapshot.context;
    if (order?.storage_url !== undefined) return order.storage_url;
  }
  const [first] = inputs;
  if (first === undefined) return dataOutUrl;
  return (await system.read(dataset, first.datasetUid)).snapshot.context.storageUrl ?? '';
}

const GOING_ON: ReadonlySet<TaskSnapshot['value']> = new Set(['registered', 'splitting', 'running']);

function requestOf(claim: Claim, { context }: PilotSnapshot): ClaimRequest {
  const { pilot, sessionId, curRetry } = claim;
  const { leaseSeconds, deviceType, executables } = context;
  return {
    claimIdOf: (attempt) => claimIdOf(claim, attempt),
    ...{ pilot, sessionId, curRetry, leaseSeconds, deviceType, executables },
  };
}

function assertServes({ value }: PilotSnapshot, uid: string): void {
  if (value.lease === 'lost') throw refused('stale', uid, 'is not granted to a pilot that counts as lost');
  if (value.duty !== 'in') throw refused('held', uid, `is not granted to a pilot that is ${value.duty}`);
}

function refused(reason: RefusedClaim, uid: string, why: string): JobRefusedError {
  return new JobRefusedError(reason, `job ${uid} ${why}`);
}

function messageOf(
  uid: string,
  order: JobOrder,
  granted: Granted & {
    readonly claimId: string;
    readonly storageUrl: string;
    readonly seen: string | undefined;
  },
) {
  const { args, timeoutSeconds, memoryMib } = order;
  return {
    job: uid,
    ...(order.task === undefined ? {} : { task: order.task }),
    ...{ claim_id: granted.claimId, attempt: granted.attempt, cur_retry: granted.curRetry },
    ...{ executable: order.executable, mode: order.mode, device_type: order.deviceType, seq: order.seq },
    ...(args === undefined ? {} : { args }),
    ...(timeoutSeconds === undefined ? {} : { timeout_seconds: timeoutSeconds }),
    ...(memoryMib === undefined ? {} : { memory_mib: memoryMib }),
    ...{ storage_url: granted.storageUrl, data_out_url: order.dataOutUrl },
    ...(granted.seen === undefined ? {} : { data_out_seen: granted.seen }),
    inputs: inputsOf(order, 0),
    inputs_total: order.inputs.length,
    outputs: order.outputs.map(outputOf),
    log: outputOf(order.log),
  };
}

/** So many as a message holds. */
export function inputsOf({ inputs }: JobOrder, from: number): Omit<OrderedInput, 'datasetUid'>[] {
  return inputs.slice(from, from + MOST_INPUTS).map(({ datasetUid: _, ...input }) => input);
}

function outputOf({ uid, file_name }: OrderedOutput): Pick<OrderedOutput, 'uid' | 'file_name'> {
  return { uid, file_name };
}
