/** The service of tallies as both ends have it. */

import { fileURLToPath } from 'node:url';
import { loadProtoFile } from 'owl-fleet/system';

export const TALLIES = 'tally.Tallies';

export function loadTallyProto() {
  return loadProtoFile(fileURLToPath(new URL('../tally.proto', import.meta.url)));
}
