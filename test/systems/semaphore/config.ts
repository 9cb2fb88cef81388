/** What can be configured of semaphores. */

import { z } from 'zod';
import { configSection, wholeNumber } from '../../../src/node/config/config-section.js';

export const semaphoreSection = configSection(
  z.strictObject({
    semaphore: z
      .strictObject({
        lease_seconds: wholeNumber(
          { from: 1, to: 86_400, otherwise: 600 },
          'How long a permit is held that nobody gives back.',
        ),
      })
      .prefault({}),
  }),
);

export type SemaphoreConfig = ReturnType<typeof semaphoreSection.parse>;
