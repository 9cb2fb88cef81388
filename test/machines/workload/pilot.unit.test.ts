/** Pilots: a lease, and beside it whether they are given work. */

import t from 'tap';
import { PILOT_EVENTS, type PilotEvent, pilotMachine } from '../../../machines/workload/pilot.js';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import { happens, specificationOf } from '../../support/given.js';

const pilot: ActorType<typeof pilotMachine> = {
  category: 'wl_pilot',
  version: 1,
  machine: pilotMachine,
  events: PILOT_EVENTS,
};

const attached = (session_id: string): PilotEvent => ({
  type: 'PilotAttached',
  data: {
    ...{ peer_id: 'p', session_id, lease_seconds: 60, attached_time: 1, node_id: 'n' },
    ...{ device_type: 'gpu', slots: 2, memory_mib: 1024, executables: ['sort'], labels: { site: 'a' } },
  },
});
const reported = (session_id: string): PilotEvent => ({
  type: 'PilotReported',
  data: { session_id, slots_used: 1, jobs_done: 3, jobs_failed: 0, disk_free: '1000' },
});
const DRAIN: PilotEvent = { type: 'PilotDrainRequested', data: { reason: 'new kernel' } };
const UNDRAIN: PilotEvent = { type: 'PilotUndrained', data: {} };
const RETIRE: PilotEvent = { type: 'PilotRetired', data: {} };

const given = specificationOf(pilot);
const refused = { kind: 'refused', message: /is not possible/ } as const;

t.test('a pilot that attaches is given work by what it can run', async (t) => {
  given([attached('s')]).leadsTo(t, {
    value: { lease: 'attached', duty: 'in' },
    context: { sessionId: 's', deviceType: 'gpu', slots: 2, memoryMib: 1024, executables: ['sort'] },
  });
});

t.test('a draining one stays so when it starts anew; a retired one comes back', async (t) => {
  given([attached('s'), DRAIN, attached('t')]).leadsTo(t, { value: { lease: 'attached', duty: 'draining' } });
  given([attached('s'), DRAIN, UNDRAIN]).leadsTo(t, { value: { duty: 'in' } });
  given([attached('s'), RETIRE]).leadsTo(t, { value: { duty: 'retired' } });
  given([attached('s'), RETIRE, attached('t')]).leadsTo(t, { value: { duty: 'in' } });
});

t.test('how it is doing is told by its session, and by nobody else', async (t) => {
  given([attached('s')])
    .when(happens(reported('s')))
    .then(t, [reported('s')]);
  given([attached('s'), attached('t')])
    .when(happens(reported('s')))
    .then(t, refused);
  given([attached('s'), RETIRE])
    .when(happens(reported('s')))
    .then(t, refused);
});

t.test('what is done already is not done again', async (t) => {
  given([attached('s'), DRAIN])
    .when(happens(DRAIN))
    .then(t, refused);
  given([attached('s')])
    .when(happens(UNDRAIN))
    .then(t, refused);
  given([attached('s'), RETIRE])
    .when(happens(RETIRE))
    .then(t, refused);
});
