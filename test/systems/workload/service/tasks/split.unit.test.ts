/** What is planned next, from rows: groups, gaps, tails and levels. */

import t from 'tap';
import { DATASETS, FILES, JOB_FILES, JOBS, TASKS } from '../../../../../projections/workload/tables.js';
import type { Database } from '../../../../../src/base/sql.js';
import { openDatabase } from '../../../../../src/base/sqlite.js';
import { datasetIdOf } from '../../../../../src/systems/workload/service/ids.js';
import {
  nextStep,
  type Planned,
  type Step,
} from '../../../../../src/systems/workload/service/tasks/split.js';

const MOST = 500;
const NOTHING: Planned = { chunks: 0, jobs: 0, level: 0, nextIdx: 0, levelFirst: 0, isLast: false };

interface Case {
  /** One letter each: available, declared, missing, failed, -: nothing yet but its place. */
  readonly files: string;
  readonly status?: string;
  readonly levels?: string;
  readonly size?: number;
  readonly complete?: boolean;
  readonly untilOne?: boolean;
  readonly planned?: Partial<Planned>;
  readonly most?: number;
  /** Of each file. */
  readonly path?: string;
}

const STATUS: Readonly<Record<string, string>> = {
  ...{ a: 'available', d: 'declared', m: 'missing', f: 'failed', '-': 'registering' },
};

function fill(db: Database, dataset: string, files: string, status: string, path = 'p'): void {
  db.prepare(
    `INSERT INTO dsm_datasets (uid, name, status, files, files_available, create_time, update_time, revision)
     VALUES (?, 'run', ?, ?, ?, 0, 0, 0)`,
  ).run(dataset, status, files.length, [...files].filter((one) => one === 'a').length);
  const insert = db.prepare(
    `INSERT INTO dsm_files (dataset_uid, idx, uid, file_name, path, status, create_time, update_time)
     VALUES (?, ?, ?, ?, ?, ?, 0, 0)`,
  );
  [...files].forEach((one, idx) => {
    insert.run(dataset, idx, `${dataset}/${idx}`, `f${idx}`, path, STATUS[one] ?? one);
  });
}

function stepOf(options: Case): Step {
  const { files, levels = '', status = 'sealed', size = 1, complete = false, untilOne = false } = options;
  const db = openDatabase(':memory:');
  try {
    for (const { table, createTable, indexes = [] } of [TASKS, JOBS, JOB_FILES, DATASETS, FILES]) {
      db.exec(createTable(table));
      for (const index of indexes) db.exec(index);
    }
    fill(db, 'in', files, status, options.path);
    fill(db, datasetIdOf('t', 'levels'), levels, 'open');
    const order = { data_in_uid: 'in', files_per_job: size, require_complete: complete, until_one: untilOne };
    const planned = { ...NOTHING, ...options.planned };
    return nextStep(db, { uid: 't', id: 1, order, planned }, options.most ?? MOST);
  } finally {
    db.close();
  }
}

const chunk = (files: number, jobs: number, more: object = {}) => ({
  kind: 'plan',
  chunk: { chunk: 1, level: 1, first_idx: 0, files, first_seq: 0, jobs, ...more },
});
const waits = (why: RegExp) => ({ kind: 'wait', why });
const LEVEL_1 = { chunks: 1, level: 1, nextIdx: 7, jobs: 3, levelFirst: 0 };

const CASES: readonly (readonly [what: string, options: Case, step: object])[] = [
  [
    'nothing is there yet',
    { files: '', status: 'registered' },
    waits(/^waits for files: none is known of yet/),
  ],
  ['nothing will ever be there', { files: '' }, { kind: 'complete' }],
  ['each that is there', { files: 'aaa', status: 'open' }, chunk(3, 3)],
  ['up to the first that is not settled', { files: 'aada', status: 'open' }, chunk(2, 2)],
  ['up to the first that has only its place', { files: 'a-a', status: 'open' }, chunk(1, 1)],
  ['full groups while it is open', { files: 'aaaaa', size: 2, status: 'open' }, chunk(4, 2)],
  ['the tail once it is sealed', { files: 'aaaaa', size: 2 }, chunk(5, 3)],
  ['no tail while one is not settled', { files: 'aaaad', size: 2 }, chunk(4, 2)],
  ['one is left out, by name', { files: 'amaaa', size: 2 }, chunk(5, 2, { skipped: [1] })],
  ['what is behind the last group is not in it', { files: 'aama', size: 2, status: 'open' }, chunk(2, 1)],
  ['nothing but what is left out', { files: 'mf' }, chunk(2, 0, { skipped: [0, 1] })],
  ['no more than there is room for', { files: 'aaaaa', most: 2 }, chunk(2, 2)],
  ['no room at all', { files: 'aaaaa', most: 0 }, { kind: 'full' }],
  [
    'all are needed',
    { files: 'aama', complete: true },
    { kind: 'fail', reason: /f2 is missing$/, isAborted: false },
  ],
  [
    'the first few are named',
    { files: 'mmmmm', complete: true },
    { kind: 'fail', reason: /f0 is missing, f1 is missing, f2 is missing and more$/ },
  ],
  [
    'what is read already needs to be there no more',
    { files: 'maa', complete: true, planned: { nextIdx: 1, level: 1, jobs: 1, chunks: 1 } },
    { kind: 'plan' },
  ],
  ['an input that is aborted', { files: 'aa', status: 'aborted' }, { kind: 'fail', isAborted: true }],
  [
    'a group that only so many left out would fill',
    { files: `a${'m'.repeat(1_000)}a`, size: 2 },
    chunk(1_001, 1, { skipped: Array.from({ length: 1_000 }, (_, i) => i + 1) }),
  ],
  [
    'as many as fit into an event, with the longest paths',
    { files: 'a'.repeat(1_000), size: 600, path: '/'.repeat(1_024) },
    chunk(1_000, 2),
  ],
  [
    'more than fit into an event',
    { files: 'a'.repeat(1_000), size: 1_000, path: '/'.repeat(1_024) },
    {
      kind: 'fail',
      reason: /^1000 files with paths so long do not fit into one job; .* smaller files_per_job$/,
    },
  ],
  [
    'a level of one job is the last',
    { files: 'aa', size: 3, untilOne: true },
    chunk(2, 1, { last_level: true }),
  ],
  [
    'it is not known to be one yet',
    { files: 'aaa', size: 3, untilOne: true, status: 'open' },
    waits(/is not closed/),
  ],
  ['another one is known behind it', { files: 'aaad', size: 3, untilOne: true, status: 'open' }, chunk(3, 1)],
  ['several groups', { files: 'aaaa', size: 3, untilOne: true }, chunk(4, 2)],
  [
    'the next level reads what was written',
    { files: 'aaaaaaa', levels: 'aaa', size: 3, untilOne: true, planned: LEVEL_1 },
    {
      kind: 'plan',
      chunk: { chunk: 2, level: 2, first_idx: 0, files: 3, first_seq: 3, jobs: 1, last_level: true },
    },
  ],
  [
    'and waits for it',
    { files: 'aaaaaaa', levels: 'ada', size: 3, untilOne: true, planned: LEVEL_1 },
    waits(/^waits for files of level 1: 1 of the 3 that are left are there in turn$/),
  ],
  ['without levels it is done', { files: 'aaaaaaa', size: 3, planned: LEVEL_1 }, { kind: 'complete' }],
  [
    'behind the last level it is done',
    { files: 'a', untilOne: true, size: 3, planned: { ...LEVEL_1, isLast: true } },
    { kind: 'complete' },
  ],
];

for (const [what, options, step] of CASES) t.test(what, async (t) => t.match(stepOf(options), step));

t.test('above the first level it goes on where it was, and then to the next', async (t) => {
  const five = { files: 'a', levels: 'aaaaaa', size: 2, untilOne: true };
  const level2 = { chunks: 2, level: 2, nextIdx: 4, levelFirst: 4, jobs: 6 };
  t.match(stepOf({ ...five, planned: { ...level2, nextIdx: 2, jobs: 5 } }), {
    chunk: { level: 2, first_idx: 2, files: 2, first_seq: 5, jobs: 1 },
  });
  t.match(stepOf({ ...five, planned: level2 }), {
    chunk: { level: 3, first_idx: 4, files: 2, first_seq: 6, jobs: 1, last_level: true },
  });
});
