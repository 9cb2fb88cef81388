/** The read model `supervisors`: one row per supervisor ever attached, with the state of its lease. Points in time are Unix seconds. */

import { SUPERVISOR_LEASE } from '../../machines/talent/supervisor.js';
import type { Database, SqlRow } from '../../src/base/sql.js';
import { peersProjection, selectPeers, selectStandingRevision } from '../peers/peers.js';

const TABLE = {
  name: 'supervisors',
  version: 2,
  category: 'supervisor',
  events: SUPERVISOR_LEASE,
  idField: 'worker_id',
} as const;

export const supervisors = peersProjection(TABLE);

/** All supervisors, in the order of their ids. */
export function selectSupervisors(db: Database): SqlRow[] {
  return selectPeers(db, TABLE);
}

/** Revision of the event that last changed a supervisor's standing; undefined where there is none. */
export function selectSupervisorStanding(db: Database, workerId: string): number | undefined {
  return selectStandingRevision(db, TABLE, workerId);
}
