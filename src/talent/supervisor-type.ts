/** A supervisor as the runtime knows it. */

import { SUPERVISOR_EVENTS, supervisorMachine } from '../../machines/supervisor.js';
import type { ActorType } from '../runtime/actor-type.js';

export const supervisor: ActorType<typeof supervisorMachine> = {
  category: 'supervisor',
  version: 3,
  machine: supervisorMachine,
  events: SUPERVISOR_EVENTS,
};
