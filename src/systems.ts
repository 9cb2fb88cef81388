/**
 * The systems that owl has, in the order of its help. A further one is a line here and a folder beside the others. The first one
 * is what a node runs where nobody says otherwise: an upgrade opens nothing new.
 */

import type { System } from './cli/system.js';
import { talent } from './systems/talent/system.js';
import { workload } from './systems/workload/system.js';

export const SYSTEMS: readonly System[] = [talent, workload];
