/**
 * What is next of a task, for who only wants to know: whether jobs can be made of it now, or what it waits for.
 *
 * Guarantee: it reads a few rows, however many files there are to be split: places of files are found by their states, and what lies
 * between them is counted, but where many are lost; nothing is planned. Whether all of a job fits into an event it does not know.
 */

import { MOST_SKIPPED_OF_A_CHUNK } from '../../../../../machines/workload/task.js';
import type { Database, SqlRow } from '../../../../base/sql.js';
import { beforeReading, LOST, type Source, type Splittable, type Step, standing, whyNot } from './split.js';

/** Files whose job has failed, that are looked at for one that is under way again. */
const MOST_FAILED = 20;

export type Outlook = Exclude<Step, { readonly kind: 'plan' | 'full' }> | { readonly kind: 'ready' };

/** How far files are settled. */
interface Settled {
  /** Behind the last of them. */
  readonly end: number;
  /** Of those before, up to what a chunk leaves out. */
  readonly lost: number;
}

export function outlookOf(db: Database, task: Splittable, input: SqlRow | undefined): Outlook {
  const step = beforeReading(db, task, input, MOST_FAILED);
  if (step.kind === 'plan' || step.kind === 'full') return { kind: 'ready' };
  if (step.kind !== 'read') return step;
  const { source } = step;
  const { files_per_job: size, until_one: untilOne } = task.order;
  const { end, lost } = settledOf(db, source);
  const there = Math.max(0, end - source.from - lost);
  const jobs = Math.floor(there / size);
  const isAtEnd = end === source.end;
  const isOnly = untilOne && source.jobs === 0 && jobs === 1 && there === size && isAtEnd;
  const isReady = jobs > 0 || lost >= MOST_SKIPPED_OF_A_CHUNK || (isAtEnd && source.isWhole);
  return isReady && (source.isWhole || !isOnly)
    ? { kind: 'ready' }
    : { kind: 'wait', why: whyNot(source, { begun: there % size, next: end }, step.input) };
}

function settledOf(db: Database, { dataset, from, end }: Source): Settled {
  const last = db.prepare('SELECT max(idx) AS idx FROM dsm_files WHERE dataset_uid = ?').get(dataset)?.[
    'idx'
  ];
  const known = Math.min(end, typeof last === 'number' ? last + 1 : 0);
  const unsettled = ['registering', 'declared'].map((status) => firstOf(db, status, dataset, from));
  const settled = Math.max(from, Math.min(known, ...unsettled, firstUnderWay(db, dataset, from)));
  return { end: settled, lost: lostIn(db, dataset, from, settled) };
}

function firstOf(db: Database, status: string, dataset: string, from: number): number {
  const row = db
    .prepare(
      `SELECT min(idx) AS idx FROM dsm_files INDEXED BY dsm_files_by_status
       WHERE dataset_uid = ? AND status = ? AND idx >= ?`,
    )
    .get(dataset, status, from);
  return typeof row?.['idx'] === 'number' ? row['idx'] : Number.POSITIVE_INFINITY;
}

/** The first one that failed and may come after all. */
function firstUnderWay(db: Database, dataset: string, from: number): number {
  const failed = db
    .prepare(
      `SELECT idx, status, failed_job FROM dsm_files INDEXED BY dsm_files_by_status
       WHERE dataset_uid = ? AND status = 'failed' AND idx >= ? ORDER BY idx LIMIT ${MOST_FAILED}`,
    )
    .all(dataset, from);
  const found = failed.find((row) => standing(db, row) === 'unsettled');
  return found === undefined ? Number.POSITIVE_INFINITY : Number(found['idx']);
}

function lostIn(db: Database, dataset: string, from: number, end: number): number {
  const count = db.prepare(
    `SELECT count(*) AS files FROM (SELECT 1 FROM dsm_files INDEXED BY dsm_files_by_status
     WHERE dataset_uid = ? AND status = ? AND idx >= ? AND idx < ? LIMIT ${MOST_SKIPPED_OF_A_CHUNK})`,
  );
  return LOST.reduce((sum, status) => sum + Number(count.get(dataset, status, from, end)?.['files']), 0);
}
