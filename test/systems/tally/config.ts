/** What can be configured of tallies. */

import { configSection, wholeNumber } from 'owl-fleet/system';
import { z } from 'zod';

export const tallySection = configSection(
  z.strictObject({
    tally: z
      .strictObject({
        step: wholeNumber({ from: 1, to: 1_000, otherwise: 1 }, 'How much is counted where nobody says so.'),
      })
      .prefault({}),
  }),
);

export type TallyConfig = ReturnType<typeof tallySection.parse>;
