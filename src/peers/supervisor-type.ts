/** A supervisor as the runtime knows it. */

import { SUPERVISOR_EVENTS, supervisorMachine } from '../../machines/peers/supervisor.js';
import type { ActorType } from '../runtime/actors/actor-type.js';

export const supervisor: ActorType<typeof supervisorMachine> = {
  category: 'supervisor',
  version: 3,
  machine: supervisorMachine,
  events: SUPERVISOR_EVENTS,
};
