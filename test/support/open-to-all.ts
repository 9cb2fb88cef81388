/** For servers of tests that are about something else: everybody may ask for everything. */

import type { ServiceDefinition } from '@grpc/grpc-js';
import { systemClock } from '../../src/base/clock.js';
import { Access } from '../../src/node/access/access.js';
import { Denials } from '../../src/node/access/denials.js';
import { KnownCallers } from '../../src/node/access/known-callers.js';
import type { ServiceAccess } from '../../src/node/access/roles.js';
import { logLines } from './log-lines.js';

const { logger } = logLines();

export const OPEN_TO_ALL = {
  access: new Access({
    mode: 'open',
    known: new KnownCallers('/nowhere', logger),
    denials: new Denials({ clock: systemClock, logger, record: async () => undefined }),
  }),
  clock: systemClock,
};

/** By method. */
export function anyRole(definition: ServiceDefinition): ServiceAccess {
  return Object.fromEntries(Object.keys(definition).map((name) => [name, { roles: ['reader'] }]));
}
