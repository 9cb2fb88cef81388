/**
 * What a status holds in the contract of the field even where nothing is known: the messages of all phases and their tables. The
 * service of old always sent them, and who reads JSON made of an answer looks into them without asking.
 *
 * A message that comes twice is merged by who reads protobuf: the empty ones stand in front, and what is known of a task overwrites
 * nothing of them. Readers that take the last one instead see what is known. Nothing is encoded again for it.
 */

import { loadProto, methodOf, serviceOf } from '../../../../wire/proto.js';
import type { PhaseStatus, PlotDetails, PlotTaskStatus } from '../../wire/messages.js';
import { SERVICE } from '../operations/task-operations.js';

const scannedAndSorted = (): { scan: PhaseStatus; sort: PhaseStatus } => ({ scan: {}, sort: {} });

const PHASES = {
  phase_1_status: { t1: {}, t2: {}, t3: {}, t4: {}, t5: {}, t6: {}, t7: {} },
  phase_2_status: {
    t7: scannedAndSorted(),
    t6: scannedAndSorted(),
    t5: scannedAndSorted(),
    t4: scannedAndSorted(),
    t3: scannedAndSorted(),
    t2: scannedAndSorted(),
    t1: scannedAndSorted(),
  },
  phase_3_status: { t1_2: {}, t2_3: {}, t3_4: {}, t4_5: {}, t5_6: {}, t6_7: {} },
  phase_4_status: {},
  total_time: {},
  copy_time: {},
} as const satisfies PlotDetails;

const { responseSerialize } = methodOf(serviceOf(loadProto('talent'), SERVICE), 'plot_task_status');

export function encodeStatus(status: PlotTaskStatus): Buffer {
  return responseSerialize(status);
}

const ENCODED = encodeStatus({ plot_details: PHASES });

/** @param status an encoded PlotTaskStatus */
export function withEmptyPhases(status: Buffer): Buffer {
  return Buffer.concat([ENCODED, status]);
}
