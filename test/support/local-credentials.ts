/** What `owl` itself shows to a node of its machine. */

import { localTokenFile } from '../../src/node/access/access-file.js';
import type { ClientCredentials } from '../../src/wire/credentials.js';

/** @param data the data directory of the node */
export function localCredentials(data: string): ClientCredentials {
  return { token: { file: localTokenFile(data) } };
}
