/** What a job was ordered with: its first event, of which those that are asked for often are kept. */

import { recordIn, recordsIn } from '../../../../../projections/workload/rows.js';
import { KeptLately } from '../../../../base/kept-lately.js';
import {
  type EventStore,
  idOf,
  type JsonObject,
  type RecordedEvent,
  streamName,
} from '../../../../runtime/event-store/event-store.js';
import { job } from './job-commands.js';

/** Files of those that are kept, in all: some 20 MB. A job may have two thousand. */
const MOST_FILES_KEPT = 50_000;

/** A file that a job writes. */
export interface OrderedOutput {
  readonly uid: string;
  /** Empty where it has no place in a dataset. */
  readonly datasetUid: string;
  readonly idx: number;
  readonly file_name: string;
}

/** A file that a job reads, as a grant has it. Sizes are bytes. */
export interface OrderedInput extends OrderedOutput {
  readonly path: string;
  readonly size?: number;
  readonly check_sum?: string;
  readonly sha256?: string;
}

export interface JobOrder {
  /** Undefined for a single one. */
  readonly task: string | undefined;
  readonly seq: number;
  readonly level: number;
  readonly executable: string;
  readonly args: string | undefined;
  readonly mode: string;
  readonly deviceType: string;
  readonly timeoutSeconds: number | undefined;
  readonly memoryMib: number | undefined;
  readonly dataOutUrl: string;
  readonly inputs: readonly OrderedInput[];
  readonly outputs: readonly OrderedOutput[];
  readonly log: OrderedOutput;
}

/** One that failed may be retried, and is read again then. Of one that has finished the order says what its files are (results.ts). */
const ENDS: ReadonlySet<string> = new Set(['JobFailed', 'JobCancelled']);

export class JobOrders {
  private readonly store: Pick<EventStore, 'readStream'>;
  private readonly kept = new KeptLately<string, JobOrder>({ limit: MOST_FILES_KEPT, weightOf: filesOf });

  constructor(store: Pick<EventStore, 'readStream'>) {
    this.store = store;
  }

  /** Undefined where there is no such job. @throws what the store throws */
  async of(uid: string): Promise<JobOrder | undefined> {
    const known = this.kept.get(uid);
    if (known !== undefined) return known;
    for await (const { type, data } of this.store.readStream(streamName(job.category, uid), { limit: 1 })) {
      if (type !== 'JobCreated') return undefined;
      const order = orderIn(data);
      this.kept.set(uid, order);
      return order;
    }
    return undefined;
  }

  /** What it asks for, MiB; undefined where its order is not kept. */
  memoryOf(uid: string): number | undefined {
    const order = this.kept.get(uid);
    return order && (order.memoryMib ?? 0);
  }

  /** What was applied to the read model: most jobs are granted soon after they were made, and then nothing has to be read. */
  observe(events: readonly RecordedEvent[]): void {
    for (const { type, stream, data } of events)
      if (type === 'JobCreated') this.kept.set(idOf(stream), orderIn(data));
      else if (ENDS.has(type)) this.forget(idOf(stream));
  }

  /** It has ended. */
  forget(uid: string): void {
    this.kept.delete(uid);
  }
}

/** Its log is one of them. */
function filesOf({ inputs, outputs }: JobOrder): number {
  return inputs.length + outputs.length + 1;
}

function orderIn(data: JsonObject): JobOrder {
  return {
    task: textIn(data, 'task'),
    seq: Number(data['seq']),
    level: Number(data['level']),
    executable: String(data['executable']),
    args: textIn(data, 'args'),
    mode: String(data['mode']),
    deviceType: String(data['device_type']),
    timeoutSeconds: numberIn(data, 'timeout_seconds'),
    memoryMib: numberIn(data, 'memory_mib'),
    dataOutUrl: String(data['data_out_url']),
    inputs: recordsIn(data, 'inputs').map(inputIn),
    outputs: recordsIn(data, 'outputs').map(outputIn),
    log: outputIn(recordIn(data, 'log')),
  };
}

function inputIn(file: JsonObject): OrderedInput {
  const { size, check_sum: md5, sha256 } = file;
  return {
    path: String(file['path']),
    ...outputIn(file),
    // As text, since it may be larger than numbers of events are.
    ...(size === undefined ? {} : { size: Number(size) }),
    ...(typeof md5 === 'string' ? { check_sum: md5 } : {}),
    ...(typeof sha256 === 'string' ? { sha256 } : {}),
  };
}

function outputIn(file: JsonObject): OrderedOutput {
  return {
    uid: String(file['uid']),
    datasetUid: String(file['dataset_uid']),
    idx: Number(file['idx']),
    file_name: String(file['file_name']),
  };
}

function textIn(data: JsonObject, name: string): string | undefined {
  const given = data[name];
  return typeof given === 'string' ? given : undefined;
}

function numberIn(data: JsonObject, name: string): number | undefined {
  const given = data[name];
  return typeof given === 'number' ? given : undefined;
}
