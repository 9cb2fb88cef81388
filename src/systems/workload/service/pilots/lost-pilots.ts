/**
 * The reactor that carries the fate of a pilot to its jobs: while it is lost, has left, or has begun anew and does not say yet what it
 * has, they are marked; a session that returns takes the marks of its own back. When a marked one fails is judged by who listens
 * (lost-claims.ts and the give-ups of peers), for no wall clock may bring that nearer.
 *
 * Guarantee: reacting to an event again changes no job twice; an event that a later one of its pilot has overtaken is left to that
 * one, so a node that is new to an old history marks nothing for what was over long ago.
 */

import type { SqlRow } from '../../../../base/sql.js';
import {
  idOf,
  type JsonObject,
  type Position,
  type RecordedEvent,
} from '../../../../runtime/event-store/event-store.js';
import { commandTo, type Reactor, type ReactorCommand } from '../../../../runtime/reactors/reactor.js';
import { job } from '../jobs/job-commands.js';
import type { JobQueries } from '../jobs/job-queries.js';
import { markLost, markReturned } from '../jobs/job-upkeep.js';
import { silentSince } from '../jobs/why.js';
import { pilotKind } from './pilot-kind.js';

export interface LostPilotsOptions {
  readonly queries: JobQueries;
  readonly giveUpSeconds: number;
  /** Waits until the read model holds everything up to there. */
  readonly caughtUp: (position: Position) => Promise<void>;
}

interface Fate {
  readonly concerns: (row: SqlRow) => boolean;
  /** Undefined: the mark is taken back. */
  readonly remarks: string | undefined;
  /** Unix seconds. */
  readonly at: number;
}

export function lostPilots(options: LostPilotsOptions): Reactor<readonly ReactorCommand[]> {
  const { queries, giveUpSeconds, caughtUp } = options;
  return {
    name: 'workload_lost_pilots',
    categories: [pilotKind.type.category],
    async react(event) {
      const fate = fateIn(event);
      if (fate === undefined) return [];
      await caughtUp(event.position);
      const pilot = idOf(event.stream);
      if ((queries.standingRevision(pilot) ?? event.revision) > event.revision) return [];
      return queries
        .underWayOf(pilot)
        .filter(fate.concerns)
        .map((row) => {
          const claim = String(row['claim_id']);
          const { remarks, at } = fate;
          return commandTo(job, String(row['id']), {
            id: `lost_pilots:${event.id}`,
            decide: (snapshot) =>
              remarks === undefined
                ? markReturned(snapshot, claim)
                : markLost(snapshot, claim, remarks, at + giveUpSeconds),
          });
        });
    },
  };
}

function heardIn({ heard_time: heard }: JsonObject): number | undefined {
  return typeof heard === 'number' ? heard : undefined;
}

function fateIn({ type, stream, revision, data, metadata }: RecordedEvent): Fate | undefined {
  const { session_id: session } = data;
  const pilot = idOf(stream);
  const at = metadata.time / 1000;
  const when = new Date(metadata.time).toISOString();
  switch (type) {
    case 'PilotLost':
      return { concerns: () => true, remarks: `pilot ${pilot} is ${silentSince(at, heardIn(data))}`, at };
    case 'PilotDetached':
      return {
        concerns: () => true,
        remarks: `pilot ${pilot} has left at ${when} and has not told its end`,
        at,
      };
    case 'PilotAttached':
      // What has never been here before has no jobs.
      if (revision === 0) return undefined;
      return {
        concerns: (row) => row['session_id'] !== session,
        remarks: `pilot ${pilot} has begun anew at ${when} and has not said yet that it has this job`,
        at,
      };
    case 'PilotReturned':
      return { concerns: (row) => row['session_id'] === session, remarks: undefined, at };
    default:
      return undefined;
  }
}
