/** What can be configured of semaphores. */

import { z } from 'zod';
import { configSection, meant, wholeNumber } from '../../../src/node/config/config-section.js';

export const semaphoreSection = configSection(
  z.strictObject({
    semaphore: z
      .strictObject({
        lease_seconds: wholeNumber(
          { from: 1, to: 86_400, otherwise: 600 },
          'How long a permit is held that nobody gives back.',
        ),
        notify_url: meant(z.string().optional(), {
          rule: 'must be a URL',
          meaning: 'Where whoever was granted a permit is told so. Left out: nobody is.',
        }),
        notify_lease_seconds: wholeNumber(
          { from: 1, to: 3_600, otherwise: 10 },
          'How long the lease of the node is that tells them, where several share a store.',
        ),
      })
      .prefault({}),
  }),
);

export type SemaphoreConfig = ReturnType<typeof semaphoreSection.parse>;
