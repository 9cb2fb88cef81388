/**
 * The tables of workloads. Points in time are Unix seconds, sizes bytes. Integer ids are running numbers in the order of the first
 * event; `uid`, in `job_dat` called `id`, is what events and messages name. What nobody gave is NULL.
 */

import type { ProjectionTable } from '../../src/runtime/read-models/projection.js';

const DEVICES = `('cpu', 'gpu')`;
const MODES = `('map', 'merge')`;

export const TASKS: ProjectionTable = {
  table: 'task_dat',
  createTable: (table) => `CREATE TABLE ${table} (
    task_id INTEGER PRIMARY KEY,
    executable TEXT NOT NULL,
    args TEXT,
    rank INTEGER NOT NULL,
    device_type TEXT NOT NULL CHECK (device_type IN ${DEVICES}),
    mode TEXT NOT NULL CHECK (mode IN ${MODES}),
    data_in_uid TEXT NOT NULL,
    storage_url TEXT,
    data_out_url TEXT NOT NULL,

    uid TEXT NOT NULL UNIQUE,
    name TEXT,
    state TEXT NOT NULL,
    held INTEGER NOT NULL DEFAULT 0,
    data_out_uid TEXT NOT NULL,
    data_log_uid TEXT NOT NULL,
    series_uid TEXT,
    parent_task TEXT,
    /* The one that writes its input, be it named as its parent or not. */
    parent_task_id INTEGER,
    files_per_job INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    max_failed_jobs INTEGER NOT NULL,
    require_complete INTEGER NOT NULL,
    until_one INTEGER NOT NULL,
    timeout_seconds INTEGER,
    memory_mib INTEGER,
    chunks INTEGER NOT NULL DEFAULT 0,
    split_level INTEGER NOT NULL DEFAULT 0,
    split_next INTEGER NOT NULL DEFAULT 0,
    /* The number of the first job of the level, and whether it is the last one. */
    level_first INTEGER NOT NULL DEFAULT 0,
    is_last INTEGER NOT NULL DEFAULT 0,
    /* So often were jobs retried. */
    round INTEGER NOT NULL DEFAULT 0,
    held_time REAL,
    is_split INTEGER NOT NULL DEFAULT 0,
    jobs_planned INTEGER NOT NULL DEFAULT 0,
    jobs_total INTEGER NOT NULL DEFAULT 0,
    jobs_waiting INTEGER NOT NULL DEFAULT 0,
    jobs_running INTEGER NOT NULL DEFAULT 0,
    jobs_finished INTEGER NOT NULL DEFAULT 0,
    jobs_failed INTEGER NOT NULL DEFAULT 0,
    jobs_cancelled INTEGER NOT NULL DEFAULT 0,
    create_time REAL NOT NULL,
    update_time REAL NOT NULL,
    end_time REAL,
    remarks TEXT,
    revision INTEGER NOT NULL
  ) STRICT`,
  indexes: [
    // What is to be split, by rank.
    `CREATE INDEX task_dat_by_state ON task_dat (state, rank DESC, task_id)`,
    `CREATE INDEX task_dat_by_input ON task_dat (data_in_uid)`,
    `CREATE INDEX task_dat_by_series ON task_dat (series_uid) WHERE series_uid IS NOT NULL`,
    // Whose jobs are to be cancelled, be it late.
    `CREATE INDEX task_dat_ending ON task_dat (task_id)
      WHERE state IN ('finishing', 'cancelling', 'finished', 'cancelled') AND jobs_waiting + jobs_running > 0`,
  ],
};

export const JOBS: ProjectionTable = {
  table: 'job_dat',
  createTable: (table) => `CREATE TABLE ${table} (
    job_id INTEGER PRIMARY KEY,
    file_in_id INTEGER NOT NULL,
    file_out_id INTEGER NOT NULL,
    file_log_id INTEGER NOT NULL,
    id TEXT NOT NULL UNIQUE,
    parent_job_id INTEGER,
    task_id INTEGER,
    executable TEXT NOT NULL,
    args TEXT,
    rank INTEGER NOT NULL,
    state TEXT NOT NULL,
    retries INTEGER NOT NULL,
    cur_retry INTEGER,
    device_type TEXT NOT NULL CHECK (device_type IN ${DEVICES}),
    mode TEXT NOT NULL CHECK (mode IN ${MODES}),
    time_start REAL,
    time_end REAL,
    file_id INTEGER NOT NULL,
    pilot_id INTEGER,

    pilot TEXT,
    session_id TEXT,
    seq INTEGER NOT NULL,
    level INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0,
    claim_id TEXT,
    failure_class TEXT,
    exit_code INTEGER,
    exit_signal TEXT,
    timeout_seconds INTEGER,
    memory_mib INTEGER,
    inputs INTEGER NOT NULL,
    outputs INTEGER NOT NULL,
    data_out_url TEXT NOT NULL,
    cpu_seconds REAL,
    max_rss INTEGER,
    not_before REAL NOT NULL DEFAULT 0,
    fail_at REAL,
    /* Its task was told to do it again, and it has not been told yet. */
    retry_due INTEGER NOT NULL DEFAULT 0,
    /* Finished, failed or cancelled. */
    is_over INTEGER NOT NULL DEFAULT 0,
    created_time REAL NOT NULL,
    queued_time REAL,
    /* When its hint was sent last. */
    hinted_time REAL,
    claimed_time REAL,
    update_time REAL NOT NULL,
    remarks TEXT,
    revision INTEGER NOT NULL
  ) STRICT`,
  indexes: [
    // What is to be queued, and what is to be granted, by rank.
    `CREATE INDEX job_dat_created ON job_dat (device_type, rank DESC, job_id) WHERE state = 'created'`,
    `CREATE INDEX job_dat_queued ON job_dat (device_type, rank DESC, job_id) WHERE state = 'queued'`,
    `CREATE INDEX job_dat_under_way ON job_dat (pilot) WHERE state IN ('staging', 'running', 'cancelling')`,
    // What waits for its next attempt.
    `CREATE INDEX job_dat_delayed ON job_dat (device_type, not_before) WHERE state = 'created' AND not_before > 0`,
    // Pages of a task's jobs, in their order.
    `CREATE INDEX job_dat_of_task ON job_dat (task_id)`,
    // What is still to come of a task; not by state, for a job changes its state four times.
    `CREATE INDEX job_dat_living ON job_dat (task_id) WHERE is_over = 0`,
    `CREATE INDEX job_dat_lost ON job_dat (task_id, state) WHERE state IN ('failed', 'cancelled')`,
    `CREATE INDEX job_dat_retry_due ON job_dat (task_id) WHERE retry_due = 1`,
  ],
};

/** The use of a file by a job. */
export const JOB_FILES: ProjectionTable = {
  table: 'file_dat',
  createTable: (table) => `CREATE TABLE ${table} (
    file_id INTEGER PRIMARY KEY,
    file_name TEXT NOT NULL,
    type TEXT NOT NULL CHECK (type IN ('input', 'output', 'log')),
    size INTEGER,
    status TEXT NOT NULL,
    check_sum TEXT,
    time_start REAL,
    time_end REAL,
    job_id INTEGER NOT NULL,
    file_in_id INTEGER NOT NULL,
    file_out_id INTEGER NOT NULL,
    file_log_id INTEGER NOT NULL,

    dsm_file TEXT NOT NULL,
    dataset_uid TEXT NOT NULL,
    path TEXT,
    sha256 TEXT,
    attempt INTEGER NOT NULL DEFAULT 0,
    /* Of the event of its job that changed it last. */
    revision INTEGER NOT NULL DEFAULT 0
  ) STRICT`,
  // Those of a job are found by their numbers, which its row has: three index entries for each row cost more than the row.
  indexes: [],
};

export const PILOTS: ProjectionTable = {
  table: 'pilot_dat',
  createTable: (table) => `CREATE TABLE ${table} (
    pilot_id INTEGER PRIMARY KEY,
    status TEXT NOT NULL CHECK (status IN ('active', 'draining', 'lost', 'detached', 'retired')),

    name TEXT NOT NULL UNIQUE,
    lease TEXT NOT NULL,
    duty TEXT NOT NULL,
    session_id TEXT NOT NULL,
    node_id TEXT,
    device_type TEXT NOT NULL,
    slots INTEGER NOT NULL,
    slots_used INTEGER NOT NULL DEFAULT 0,
    memory_mib INTEGER,
    host TEXT,
    pid INTEGER,
    version TEXT,
    /* JSON. */
    executables TEXT NOT NULL,
    labels TEXT,
    lease_seconds INTEGER NOT NULL,
    registered_time REAL NOT NULL,
    lost_time REAL,
    last_report_time REAL,
    jobs_done INTEGER NOT NULL DEFAULT 0,
    jobs_failed INTEGER NOT NULL DEFAULT 0,
    metrics TEXT,
    remarks TEXT,
    update_time REAL NOT NULL,
    /* Of the newest event that changed its lease. */
    standing_revision INTEGER NOT NULL DEFAULT 0,
    revision INTEGER NOT NULL
  ) STRICT`,
  indexes: [`CREATE INDEX pilot_dat_by_status ON pilot_dat (status, device_type)`],
};

export const DATASETS: ProjectionTable = {
  table: 'dsm_datasets',
  createTable: (table) => `CREATE TABLE ${table} (
    dataset_id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('registered', 'open', 'sealed', 'cancelling', 'closed', 'aborted')),
    storage_url TEXT,
    expected_files INTEGER,
    /* Its number in the catalogue; none for what a task writes. */
    entry INTEGER UNIQUE,
    files INTEGER NOT NULL DEFAULT 0,
    /* Settled: there, or known not to come. */
    files_available INTEGER NOT NULL DEFAULT 0,
    files_failed INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    complete INTEGER,
    producer_task TEXT,
    produces TEXT,
    series_uid TEXT,
    series_index INTEGER,
    create_time REAL NOT NULL,
    update_time REAL NOT NULL,
    closed_time REAL,
    remarks TEXT,
    revision INTEGER NOT NULL
  ) STRICT`,
  indexes: [
    `CREATE INDEX dsm_datasets_by_name ON dsm_datasets (name)`,
    `CREATE INDEX dsm_datasets_by_task ON dsm_datasets (producer_task) WHERE producer_task IS NOT NULL`,
    // What may be closed.
    `CREATE INDEX dsm_datasets_settled ON dsm_datasets (dataset_id)
      WHERE status = 'sealed' AND files = files_available + files_failed`,
    // What is to be aborted, and what of aborted ones is to be discarded.
    `CREATE INDEX dsm_datasets_cancelling ON dsm_datasets (dataset_id) WHERE status = 'cancelling'`,
    `CREATE INDEX dsm_datasets_unwanted ON dsm_datasets (dataset_id)
      WHERE status = 'aborted' AND files_available > 0 AND produces IN ('output', 'levels')`,
  ],
};

export const FILES: ProjectionTable = {
  table: 'dsm_files',
  createTable: (table) => `CREATE TABLE ${table} (
    dataset_uid TEXT NOT NULL,
    /* Its place in the dataset. */
    idx INTEGER NOT NULL,
    /* NULL until it has an event of its own: its place and its name are taken before. What a job writes has none until its job has ended. */
    uid TEXT UNIQUE,
    file_name TEXT NOT NULL,
    path TEXT NOT NULL,
    size INTEGER,
    check_sum TEXT,
    sha256 TEXT,
    status TEXT NOT NULL,
    producer_job TEXT,
    /* That was to write it and failed last. */
    failed_job TEXT,
    create_time REAL NOT NULL,
    update_time REAL NOT NULL,
    remarks TEXT,
    revision INTEGER NOT NULL DEFAULT -1,
    PRIMARY KEY (dataset_uid, idx),
    UNIQUE (dataset_uid, file_name)
  ) STRICT, WITHOUT ROWID`,
  indexes: [`CREATE INDEX dsm_files_by_status ON dsm_files (dataset_uid, status, idx)`],
};
