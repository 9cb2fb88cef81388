/** What can be configured of workers. */

import { z } from 'zod';
import { configSection, wholeNumber } from '../../../src/node/config/config-section.js';

const seconds = (otherwise: number, what: string) => wholeNumber({ from: 1, to: 3_600, otherwise }, what);

export const workersSection = configSection(
  z.strictObject({
    workers: z
      .strictObject({
        lease_seconds: seconds(30, 'How long a worker may be silent before it counts as lost.'),
        give_up_seconds: seconds(600, 'How long it may stay lost.'),
        margin_seconds: seconds(60, 'How long before that it has ended what it does.'),
      })
      .prefault({}),
  }),
);

export type WorkersConfig = ReturnType<typeof workersSection.parse>;
