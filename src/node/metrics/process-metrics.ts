/** Metrics of the node's process and of its data directory: how long its event loop keeps others waiting, memory, CPU, files, room. */

import { readdir, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Clock } from '../../base/clock.js';
import { every } from '../../base/repeat.js';
import { systemErrorCode } from '../../base/system-error.js';
import { type MetricGroup, metricGroup, one } from './metric.js';
import { Durations, type Sample } from './samples.js';

/** Often enough to see what takes long, seldom enough to cost nothing. */
const LOOK_EVERY_MS = 100;
const DELAY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function eventLoopMetrics(clock: Clock): MetricGroup {
  const delays = new Durations(DELAY_SECONDS);
  const stopping = new AbortController();
  let due = Number.POSITIVE_INFINITY;
  void every({ clock, pauseMs: LOOK_EVERY_MS, signal: stopping.signal }, () => {
    const now = clock.monotonic();
    if (due !== Number.POSITIVE_INFINITY) delays.observe(Math.max(0, now - due));
    due = now + LOOK_EVERY_MS;
  });
  return metricGroup({
    name: 'event_loop',
    gather: () => delays,
    metrics: [
      {
        name: 'owl_event_loop_delay_seconds',
        help: 'How late the event loop came to a timer, looked at ten times a second',
        type: 'histogram',
        samples: (durations) => [{ durations }],
      },
    ],
    stop: () => stopping.abort(),
  });
}

export function processMetrics(): MetricGroup {
  return metricGroup({
    name: 'process',
    gather: async () => {
      const { user, system } = process.cpuUsage();
      return {
        cpuSeconds: (user + system) / 1e6,
        memory: process.memoryUsage(),
        openFiles: await openFiles(),
      };
    },
    metrics: [
      {
        name: 'process_cpu_seconds_total',
        help: 'CPU time of the process, user and system',
        type: 'counter',
        samples: ({ cpuSeconds }) => one(cpuSeconds),
      },
      {
        name: 'process_resident_memory_bytes',
        help: 'Resident memory of the process',
        type: 'gauge',
        samples: ({ memory }) => one(memory.rss),
      },
      {
        name: 'process_start_time_seconds',
        help: 'When the process began, in Unix time',
        type: 'gauge',
        samples: () => one(performance.timeOrigin / 1000),
      },
      {
        name: 'process_open_fds',
        help: 'Open files and sockets of the process',
        type: 'gauge',
        samples: (told) => one(told.openFiles),
      },
      {
        name: 'owl_heap_used_bytes',
        help: 'Memory that objects of the program take',
        type: 'gauge',
        samples: ({ memory }) => one(memory.heapUsed),
      },
      {
        name: 'owl_external_memory_bytes',
        help: 'Memory of buffers and the like, outside of the heap',
        type: 'gauge',
        samples: ({ memory }) => one(memory.external),
      },
    ],
  });
}

/** @param databasePath the SQLite file of events or, on EventStoreDB, of read models alone */
export function storeMetrics(databasePath: string): MetricGroup {
  return metricGroup({
    name: 'store',
    gather: async () => ({
      files: [
        { file: 'database', bytes: await sizeOf(databasePath) },
        { file: 'log', bytes: await sizeOf(`${databasePath}-wal`) },
      ],
      room: await statfs(dirname(databasePath)),
    }),
    metrics: [
      {
        name: 'owl_store_size_bytes',
        help: 'Size of the SQLite file that holds events and read models, on EventStoreDB read models alone, and of its log',
        type: 'gauge',
        labels: ['file'],
        samples: ({ files }) => files.map(({ file, bytes }): Sample => ({ labels: { file }, value: bytes })),
      },
      {
        name: 'owl_data_directory_free_bytes',
        help: 'Room on the file system of the data directory',
        type: 'gauge',
        samples: ({ room: { bavail, bsize } }) => one(bavail * bsize),
      },
      {
        name: 'owl_data_directory_size_bytes',
        help: 'Size of that file system',
        type: 'gauge',
        samples: ({ room: { blocks, bsize } }) => one(blocks * bsize),
      },
    ],
  });
}

/** 0 for one that is not there. */
async function sizeOf(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return 0;
    throw error;
  }
}

/** Undefined where the system does not tell. */
async function openFiles(): Promise<number | undefined> {
  try {
    return (await readdir('/proc/self/fd')).length;
  } catch {
    return undefined;
  }
}
