/** The part of the service that has to do with datasets. */

import { InvalidFieldError } from '../../../../base/errors.js';
import { Turns } from '../../../../base/turns.js';
import { asUuid } from '../../../../base/uuid.js';
import type { Asking, ServedOperation } from '../../../../node/operations/operation.js';
import { answered } from '../../../../node/operations/operation.js';
import type { JobOrders } from '../jobs/job-orders.js';
import type { Part, WorkloadContext } from '../workload-context.js';
import { add, filesOfABatch } from './add-files.js';
import { cancelDatasets, orderCancel } from './cancel-datasets.js';
import { closeIfSettled, closesDatasets } from './closer.js';
import { collect } from './collect.js';
import { seal } from './dataset-commands.js';
import {
  addFiles,
  cancelDataset,
  closeDataset,
  collectDataset,
  registerDatasets,
  scanDataset,
  verifyDataset,
} from './dataset-operations.js';
import { datasetQueries } from './dataset-queries.js';
import { datasetRow, showDataset } from './dataset-rows.js';
import { dataset } from './dataset-types.js';
import { type Look, Looks } from './looks.js';
import { register, registersDatasets } from './register-datasets.js';
import { results } from './results.js';
import { scan } from './scan.js';
import { verify } from './verify.js';

/** @param orders of jobs, which say what files they write */
export function openDatasets(context: WorkloadContext, orders: JobOrders): Part {
  const turns = new Turns();
  const looks = new Looks(context);
  return {
    reactors: [registersDatasets(), filesOfABatch(), results(context, orders)],
    loops: [closesDatasets(context), cancelDatasets(context)],
    operations: [
      ...decisions(context, turns),
      ...lookingDecisions(context, turns, looks),
      ...datasetQueries(context),
    ],
    endStreams: () => looks.abort(),
    stop: () => looks.end(),
  };
}

function decisions(context: WorkloadContext, turns: Turns): ServedOperation[] {
  return [
    answered(registerDatasets, async (request, asking) => {
      const rows = await register(context, turns, request, asking);
      return { datasets: rows.map(showDataset) };
    }),
    answered(closeDataset, ({ uid: given, force = false, reason, command_id: id }, asking) => {
      const uid = asUuid(given);
      const content = { force, ...(reason === undefined ? {} : { reason }) };
      return ordered(context, uid, asking, {
        ...(id === undefined ? {} : { id, asks: { name: 'close', content } }),
        decide: (snapshot) => seal(snapshot, uid, { force, reason }),
      });
    }),
    answered(cancelDataset, async ({ uid: given, reason = 'cancelled', command_id: id }, asking) => {
      const uid = asUuid(given);
      const command = { by: asking.who, ...(id === undefined ? {} : { id }) };
      asking.repeated(await orderCancel(context, uid, { reason, ...command }));
      await context.readYourWrites();
      return showDataset(datasetRow(context.db, uid));
    }),
  ];
}

const UNFOLLOWED = 'must be given with wait_seconds: who asks again with it follows the verification';

/** Those that look into storage. */
function lookingDecisions(context: WorkloadContext, turns: Turns, looks: Looks): ServedOperation[] {
  const scanned = async (given: string, id: string | undefined, asking: Asking) => {
    const of = { uid: asUuid(given), by: asking.who };
    const order = { name: 'scan', uid: of.uid, id };
    return scanDataset.answer.parse(
      await looks.answer(order, asking, (signal) => scan(context, turns, of, signal)),
    );
  };
  return [
    answered(scanDataset, ({ uid, command_id: id }, asking) => scanned(uid, id, asking)),
    answered(addFiles, async ({ scan: isScan = false, ...request }, asking) => {
      if (!isScan) return await add(context, turns, request, asking);
      if (request.files.length > 0) throw new InvalidFieldError('files', 'must be left out for a scan');
      return await scanned(request.uid, request.command_id, asking);
    }),
    answered(verifyDataset, async ({ uid: given, command_id: id, wait_seconds: seconds }, asking) => {
      const of = { uid: asUuid(given), by: asking.who };
      const order = { name: 'verify', uid: of.uid };
      const look: Look = (signal, tell) => verify(context, of, signal, tell);
      if (seconds === undefined)
        return verifyDataset.answer.parse(await looks.answer({ ...order, id }, asking, look));
      if (id === undefined) throw new InvalidFieldError('command_id', UNFOLLOWED);
      const looked = await looks.answerWithin({ ...order, id }, asking, look, seconds * 1000);
      const { answer, isOver } = looked;
      return verifyDataset.answer.parse({ ...answer, status: isOver ? 'done' : 'under_way' });
    }),
    answered(collectDataset, async ({ uid: given, command_id: id }, asking) => {
      const of = { uid: asUuid(given) };
      const order = { name: 'gc', uid: of.uid, id };
      return collectDataset.answer.parse(
        await looks.answer(order, asking, (signal) => collect(context, of, signal)),
      );
    }),
  ];
}

/** The dataset as it is then; what has become settled by the order is closed with it. */
async function ordered(
  context: WorkloadContext,
  uid: string,
  asking: Asking,
  command: Parameters<WorkloadContext['system']['execute']>[2],
) {
  const { duplicate } = await context.system.execute(dataset, uid, { ...command, by: asking.who });
  asking.repeated(duplicate);
  await closeIfSettled(context, uid);
  return showDataset(datasetRow(context.db, uid));
}
