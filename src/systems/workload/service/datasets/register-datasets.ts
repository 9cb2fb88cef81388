/**
 * Datasets from outside are entered in the catalogue and then registered, each as an actor of its own.
 *
 * Guarantees: all of an order or none; no two have one name, or one uid, on however many nodes they are ordered; an order that is
 * sent again under its id is answered with the datasets of the first time. Whoever stops between the two steps is carried on by the
 * reactor, and who asks for such a dataset meanwhile is told to ask again.
 */

import { randomUUID } from 'node:crypto';
import type { z } from 'zod';
import { InvalidFieldError, OwlError } from '../../../../base/errors.js';
import type { Database, SqlRow } from '../../../../base/sql.js';
import type { Turns } from '../../../../base/turns.js';
import { asUuid } from '../../../../base/uuid.js';
import type { Asking } from '../../../../node/operations/operation.js';
import type { Command, CommandResult } from '../../../../runtime/actors/actor-type.js';
import { idOf } from '../../../../runtime/event-store/event-store.js';
import { commandTo, type Reactor } from '../../../../runtime/reactors/reactor.js';
import { assertStorageUrl } from '../../storage-url.js';
import type { WorkloadContext } from '../workload-context.js';
import {
  type CatalogueMachine,
  type Entered,
  type EnteredDataset,
  enter,
  registerDataset,
} from './dataset-commands.js';
import type { NewDataset } from './dataset-messages.js';
import type { registerDatasets } from './dataset-operations.js';
import { enteredIn, enteredRows, takenDataset } from './dataset-rows.js';
import { CATALOGUE, catalogue, dataset } from './dataset-types.js';
import { whileOthersAdd } from './while-others-add.js';

/** Registrations under way at the same time. */
const AT_ONCE = 64;

type Order = Pick<Command, 'id' | 'asks' | 'by'>;

/** @throws OwlError kind `exists` with reason `duplicate_name` */
export async function register(
  context: WorkloadContext,
  turns: Turns,
  { datasets: given, command_id: id }: z.output<typeof registerDatasets.request>,
  asking: Asking,
): Promise<SqlRow[]> {
  assertRegisterable(given, context.config.storage_roots);
  const { system, db } = context;
  const datasets = given.map(enteredOf);
  const order =
    id === undefined ? {} : { id, asks: { name: 'register', content: { datasets: given.map(asGiven) } } };
  const { answer, duplicate } = await turns.in(CATALOGUE, () =>
    whileOthersAdd(context, () => enterAll(context, datasets, { ...order, by: asking.who })),
  );
  asking.repeated(duplicate);
  await context.readYourWrites();
  const rows = enteredRows(db, answer?.first ?? 0, given.length);
  for (let i = 0; i < rows.length; i += AT_ONCE)
    await Promise.all(
      rows
        .slice(i, i + AT_ONCE)
        .map((row) => system.execute(dataset, String(row['uid']), registrationOf(row, asking.who))),
    );
  await context.readYourWrites();
  return enteredRows(db, answer?.first ?? 0, given.length);
}

/** By names and uids as they are looked up in the same turn of the event loop. */
function enterAll(
  { system, db }: WorkloadContext,
  datasets: readonly EnteredDataset[],
  order: Order,
): Promise<CommandResult<CatalogueMachine, Entered>> {
  const counted = enteredIn(db);
  const taken = takenIn(db, datasets);
  return system.execute(catalogue, CATALOGUE, {
    ...order,
    decide: (snapshot) => {
      const decided = enter(snapshot, datasets, counted);
      if (taken !== undefined) throw taken;
      return decided;
    },
  });
}

/** Carries on what stopped between catalogue and datasets. */
export function registersDatasets(): Reactor {
  return {
    name: 'workload-registrations',
    categories: [catalogue.category],
    react: ({ type, data, stream }) => {
      if (type !== 'DatasetsEntered' || idOf(stream) !== CATALOGUE || !Array.isArray(data['datasets']))
        return [];
      return data['datasets'].flatMap((entered: unknown) => {
        if (!isEntered(entered)) return [];
        const { uid, ...registration } = entered;
        return [commandTo(dataset, uid, { decide: registerDataset(registration) })];
      });
    },
  };
}

function asGiven({ uid = '', name, storage_url = '', expected_files = 0 }: NewDataset) {
  return { uid, name, storage_url, expected_files };
}

function isEntered(value: unknown): value is EnteredDataset {
  return typeof value === 'object' && value !== null && 'uid' in value && 'name' in value;
}

function enteredOf({ uid, name, storage_url, expected_files }: NewDataset): EnteredDataset {
  return {
    uid: uid === undefined ? randomUUID() : asUuid(uid),
    name,
    ...(storage_url === undefined ? {} : { storage_url }),
    ...(expected_files === undefined ? {} : { expected_files }),
  };
}

function registrationOf(row: SqlRow, by: string) {
  const { name, storage_url: url, expected_files: expected } = row;
  const registration = {
    name: String(name),
    ...(typeof url === 'string' ? { storage_url: url } : {}),
    ...(typeof expected === 'number' ? { expected_files: expected } : {}),
  };
  return { by, decide: registerDataset(registration) };
}

/** @throws InvalidFieldError with every problem */
function assertRegisterable(datasets: readonly NewDataset[], roots: readonly string[]): void {
  if (datasets.length === 0) throw new InvalidFieldError('datasets', 'is missing');
  const problems: InvalidFieldError[] = [];
  for (const [i, { storage_url: url }] of datasets.entries()) {
    if (url === undefined) continue;
    try {
      assertStorageUrl(`datasets.${i}.storage_url`, url, roots);
    } catch (error) {
      if (!(error instanceof InvalidFieldError)) throw error;
      problems.push(error);
    }
  }
  for (const field of ['name', 'uid'] as const) {
    const values = datasets.map((one) =>
      field === 'uid' && one.uid !== undefined ? asUuid(one.uid) : one[field],
    );
    for (const [i, value] of values.entries())
      if (value !== undefined && values.indexOf(value) < i)
        problems.push(
          new InvalidFieldError(`datasets.${i}.${field}`, `must be given once, not twice: ${value}`),
        );
  }
  const [first, ...others] = problems.flatMap((one) => one.problems);
  if (first !== undefined) throw new InvalidFieldError(first.field, first.rule, others);
}

function takenIn(db: Database, datasets: readonly EnteredDataset[]): OwlError | undefined {
  for (const column of ['name', 'uid'] as const) {
    const row = takenDataset(
      db,
      column,
      datasets.map((one) => one[column]),
    );
    if (row === undefined) continue;
    const { name, uid } = row;
    return new OwlError(
      'exists',
      `${column}: there is a dataset ${String(row[column])} already (${String(name)}, ${String(uid)})`,
      { reason: column === 'name' ? 'duplicate_name' : 'duplicate_uid' },
    );
  }
  return undefined;
}
