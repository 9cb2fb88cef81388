/** The table `supervisors`, and that it is the same however its events come. */

import t from 'tap';
import type { SupervisorEvent } from '../../../machines/talent/supervisor.js';
import {
  selectSupervisorStanding,
  selectSupervisors,
  supervisors,
} from '../../../projections/talent/supervisors.js';
import { openDatabase } from '../../../src/base/sqlite.js';
import type { EventStore, RecordedEvent } from '../../../src/runtime/event-store/event-store.js';
import { propose } from '../../support/events.js';
import { jsonOf } from '../../support/plot-task-lives.js';
import { projecting } from '../../support/projecting.js';

const attached = (
  worker_id: string,
  session_id: string,
  attached_time: number,
  more = {},
): SupervisorEvent => ({
  type: 'SupervisorAttached',
  data: { worker_id, session_id, attached_time, lease_seconds: 30, ...more },
});
const lost = (worker_id: string, session_id: string, lost_time: number): SupervisorEvent => ({
  type: 'SupervisorLost',
  data: { worker_id, session_id, lost_time },
});

const HISTORY: readonly SupervisorEvent[] = [
  attached('w1', 's1', 100, { host: 'h', pid: 7, program_version: '1.2', node_id: 'n1' }),
  attached('w2', 's2', 101),
  attached('w3', 's3', 102, { host: 'h3' }),
  lost('w1', 's1', 130),
  lost('w2', 's2', 131),
  { type: 'SupervisorReturned', data: { worker_id: 'w1', session_id: 's1', returned_time: 140 } },
  {
    type: 'SupervisorDetached',
    data: { worker_id: 'w3', session_id: 's3', detached_time: 150, reason: 'update' },
  },
  attached('w3', 's4', 160, { lease_seconds: 60, node_id: 'n1' }),
  {
    type: 'SupervisorLeaseKept',
    data: { worker_id: 'w3', session_id: 's4', lease_seconds: 60, kept_time: 170, node_id: 'n2' },
  },
];

async function storeAll(store: EventStore): Promise<RecordedEvent[]> {
  const stored: RecordedEvent[] = [];
  for (const { type, data } of HISTORY)
    stored.push(
      ...(await store.append(`supervisor-${data.worker_id}`, 'any', [propose(jsonOf(data), { type })]))
        .events,
    );
  return stored;
}

t.test('rows show the lease as it is', async (t) => {
  const { store, db, projector } = projecting(t);
  const model = projector(supervisors);
  await model.start();
  await storeAll(store);
  await model.caughtUpTo(await store.head());
  const expected = [
    {
      worker_id: 'w1',
      session_id: 's1',
      status: 'attached',
      host: 'h',
      pid: 7,
      program_version: '1.2',
      node_id: 'n1',
    },
    {
      worker_id: 'w2',
      session_id: 's2',
      status: 'lost',
      lost_time: 131,
      attached_time: 101,
      returned_time: null,
      node_id: null,
    },
    { worker_id: 'w3', session_id: 's4', status: 'attached', lease_seconds: 60, host: null, node_id: 'n2' },
  ];
  t.match(selectSupervisors(db), expected);
  t.match(selectSupervisors(db)[2], { reason: null, detached_time: null }, 'attaching begins anew');
  t.equal(selectSupervisorStanding(db, 'w1'), 2);
  t.equal(selectSupervisorStanding(db, 'w3'), 2, 'that a lease is kept changes nobody’s standing');
  t.equal(selectSupervisorStanding(db, 'w4'), undefined);
  t.match(selectSupervisors(db)[0], { lost_time: 130, returned_time: 140, attached_time: 100 });

  const incremental = selectSupervisors(db);
  await model.rebuild();
  t.strictSame(selectSupervisors(db), incremental, 'a rebuild gives the same');
  t.equal(model.status().parked, 0);
});

t.test('every event twice gives the same table', async (t) => {
  const { store } = projecting(t);
  const events = await storeAll(store);
  const fed = (given: readonly RecordedEvent[]) => {
    const db = openDatabase(':memory:');
    try {
      db.exec(supervisors.createTable('supervisors'));
      for (const event of given) supervisors.writer(db, 'supervisors').apply([event]);
      return selectSupervisors(db);
    } finally {
      db.close();
    }
  };
  const once = fed(events);
  t.strictSame(fed(events.flatMap((event) => [event, event])), once);
  t.strictSame(fed([...events, ...events]), once);
});

t.test('an event of something else is an error', async (t) => {
  const db = openDatabase(':memory:');
  t.teardown(() => db.close());
  db.exec(supervisors.createTable('supervisors'));
  const event = {
    ...propose({}, { type: 'PlotTaskReceived' }),
    stream: 'supervisor-w',
    revision: 0,
    position: '0',
  };
  t.throws(() => supervisors.writer(db, 'supervisors').apply([event]), {
    message: /no event of supervisors/,
  });
});
