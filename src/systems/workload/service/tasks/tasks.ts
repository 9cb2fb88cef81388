/** The part of the service that has to do with tasks. */

import type { Part, WorkloadContext } from '../workload-context.js';
import { closer } from './closer.js';
import { splitter } from './splitter.js';
import { taskHandlers } from './task-handlers.js';
import { taskQueries } from './task-queries.js';
import { taskReactor } from './task-reactor.js';

export function openTasks(context: WorkloadContext): Part {
  const { operations, endStreams } = taskQueries(context);
  return {
    reactors: [taskReactor(context)],
    loops: [splitter(context), closer(context)],
    operations: [...taskHandlers(context), ...operations],
    endStreams,
  };
}
