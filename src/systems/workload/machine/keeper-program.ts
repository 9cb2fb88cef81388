/** Where the program of the keeper of payloads is. */

import { fileURLToPath } from 'node:url';

export const KEEPER_MAIN = fileURLToPath(new URL('keeper-main.js', import.meta.url));
