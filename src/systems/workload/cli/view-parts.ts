/** What the views of datasets, tasks, jobs and pilots have in common: their states, and how a state is painted. */

import { statusPainter } from '../../../cli/entity-view.js';

/** In the order of their lives. */
export const TASK_STATES = [
  ...['registered', 'splitting', 'running', 'finishing', 'cancelling', 'failed', 'finished', 'cancelled'],
] as const;
export const JOB_STATES = [
  ...['created', 'queued', 'staging', 'running', 'cancelling', 'failed', 'finished', 'cancelled'],
] as const;
export const PILOT_STATES = ['active', 'draining', 'lost', 'detached', 'retired'] as const;

/** Nothing happens of it any more, unless somebody wants it. */
export const OVER: ReadonlySet<string> = new Set(['failed', 'finished', 'cancelled']);

export const paintStatus = statusPainter([
  ['cyan', ['running', 'splitting', 'staging', 'open']],
  ['green', ['finished', 'closed', 'active', 'available', 'used']],
  ['yellow', ['cancelling', 'cancelled', 'draining', 'aborted', 'finishing']],
  ['red', ['failed', 'lost', 'missing', 'corrupt']],
]);
