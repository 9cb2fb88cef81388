/** Pilots as those see them who ask, and what is ordered of them. */

import type { z } from 'zod';
import { workload } from '../../../../../projections/workload/workload.js';
import { OwlError } from '../../../../base/errors.js';
import { type SqlRow, textIn } from '../../../../base/sql.js';
import { rowAsOf } from '../../../../node/entities/as-of.js';
import { entityHistory } from '../../../../node/entities/entity-history.js';
import { type Place, pageOfEntities } from '../../../../node/entities/entity-lists.js';
import { carryOutOrder } from '../../../../node/entities/entity-orders.js';
import {
  type Asking,
  answered,
  followed,
  type ServedOperation,
} from '../../../../node/operations/operation.js';
import { executablesOf } from '../jobs/job-queries.js';
import { goneSince } from '../jobs/why.js';
import { PILOT } from '../shown/entities.js';
import type { WorkloadContext } from '../workload-context.js';
import { drain, retire, undrain } from './pilot-commands.js';
import { pilotKind } from './pilot-kind.js';
import {
  drainPilot,
  listPilots,
  pilotHistory,
  pilotMessage,
  pilotStatus,
  retirePilot,
  undrainPilot,
} from './pilot-operations.js';
import type { PilotSamples } from './pilot-samples.js';

type Order = z.output<typeof drainPilot.request>;
type Decide = typeof drain;

const FIELDS = new Set(Object.keys(pilotMessage.shape));
const UNDER_WAY = `(SELECT count(*) FROM job_dat j WHERE j.pilot = p.name AND j.state IN ('staging', 'running', 'cancelling'))`;

export function pilotOperations(context: WorkloadContext, samples: PilotSamples): ServedOperation[] {
  const { db } = context;

  function find(id: string): SqlRow {
    const select = `SELECT p.*, ${UNDER_WAY} AS under_way FROM pilot_dat p`;
    const named = db.prepare(`${select} WHERE p.name = ?`).get(id);
    const row =
      named === undefined && /^[0-9]{1,15}$/.test(id)
        ? db.prepare(`${select} WHERE p.pilot_id = ?`).get(Number(id))
        : named;
    if (row !== undefined) return row;
    const names = db.prepare('SELECT name FROM pilot_dat ORDER BY pilot_id DESC LIMIT 5').all();
    const known =
      names.length === 0
        ? 'none has ever attached'
        : `there are ${names.map((one) => one['name']).join(', ')}`;
    throw new OwlError('not_found', `there is no pilot ${id}; ${known}`, { reason: 'pilot_not_found' });
  }

  async function order({ id, reason, command_id }: Order, asking: Asking, name: string, decide: Decide) {
    const ordered = await carryOutOrder(context, asking, {
      ...{ type: pilotKind.type, name, commandId: command_id },
      find: () => textIn(find(id), 'name'),
      content: (pilot) => ({ pilot, reason: reason ?? null }),
      decide: (pilot) => (snapshot) => decide(snapshot, pilot, reason),
    });
    return messageOf(find(ordered), samples);
  }

  return [
    answered(listPilots, (request) => listOf(context, samples, request)),
    answered(pilotStatus, async ({ id, as_of: at }) => {
      await context.readYourWrites();
      const row = find(id);
      if (at === undefined) return messageOf(row, samples);
      const then = await rowAsOf(
        context,
        { projection: workload, type: pilotKind.type, table: PILOT, numbers: ['pilot_id'] },
        row,
        at,
      );
      return pilotMessage.parse({
        ...fieldsOf(then),
        executables: [...executablesOf(textIn(then, 'executables'))],
      });
    }),
    followed(pilotHistory, ({ id }) =>
      entityHistory(context, { type: pilotKind.type, table: PILOT }, textIn(find(id), 'name')),
    ),
    answered(drainPilot, (request, asking) => order(request, asking, 'pilot_drain', drain)),
    answered(undrainPilot, (request, asking) => order(request, asking, 'pilot_undrain', undrain)),
    answered(retirePilot, (request, asking) => order(request, asking, 'pilot_retire', retire)),
  ];
}

/** In pages where one is asked for, else whole. */
async function listOf(
  context: WorkloadContext,
  samples: PilotSamples,
  request: z.output<typeof listPilots.request>,
) {
  const { all = false, page_size, page_token: token = '', newest_first: newestFirst = false } = request;
  const states = [...new Set(request.status)].sort();
  const look = (place: Place) => ({
    rows: select(context.db, states, all, place),
    show: (row: SqlRow) => messageOf(row, samples),
  });
  if (page_size === undefined && token === '') {
    await context.readYourWrites();
    const { rows, show } = look({ after: undefined, newestFirst, limit: Number.MAX_SAFE_INTEGER });
    return { pilots: rows.map(show) };
  }
  const query = { list: 'pilots', states, all, newestFirst };
  const { messages, next } = await pageOfEntities(context, request, { number: 'pilot_id', query, look });
  return { pilots: messages, ...next };
}

function select(
  db: WorkloadContext['db'],
  states: readonly string[],
  all: boolean,
  { after, newestFirst, limit }: Place,
): SqlRow[] {
  const some = `AND p.status IN (${states.map(() => '?').join(', ')})`;
  const wanted = states.length > 0 ? some : all ? '' : "AND p.status <> 'retired'";
  const [behind, order, first] = newestFirst ? ['<', 'DESC', Number.MAX_SAFE_INTEGER] : ['>', 'ASC', 0];
  return db
    .prepare(
      `SELECT p.*, ${UNDER_WAY} AS under_way FROM pilot_dat p
       WHERE p.pilot_id ${behind} ? ${wanted} ORDER BY p.pilot_id ${order} LIMIT ?`,
    )
    .all(after ?? first, ...states, limit);
}

function messageOf(row: SqlRow, samples: PilotSamples): z.output<typeof pilotMessage> {
  const fields = fieldsOf(row);
  const newest = samples.newest(textIn(row, 'name'));
  const live = newest?.sessionId === row['session_id'] ? newest : undefined;
  return pilotMessage.parse({
    ...fields,
    executables: [...executablesOf(textIn(row, 'executables'))],
    // What the store has granted it, which counts before it says so itself.
    slots_used: row['under_way'],
    ...(live === undefined
      ? {}
      : {
          metrics: JSON.stringify({ time: live.time, ...live.figures, jobs: live.jobs }),
          last_report_time: Math.max(live.time, Number(row['last_report_time'] ?? 0)),
          ...{ jobs_done: live.figures.jobs_done, jobs_failed: live.figures.jobs_failed },
        }),
    ...remarksOf(row, live?.resting),
  });
}

function fieldsOf(row: SqlRow): SqlRow {
  return Object.fromEntries(
    Object.entries(row).filter(([name, value]) => value !== null && FIELDS.has(name)),
  );
}

function remarksOf(row: SqlRow, resting: string | undefined): { remarks?: string } {
  const { status, under_way: jobs } = row;
  if (status === 'draining') return { remarks: `is given nothing new; ${String(jobs)} jobs are to end` };
  if (status === 'lost' && typeof row['lost_time'] === 'number')
    return {
      remarks: `${goneSince(row)}; ${jobs === 1 ? '1 job waits' : `${String(jobs)} jobs wait`} for it`,
    };
  return status === 'active' && resting !== undefined ? { remarks: resting } : {};
}
