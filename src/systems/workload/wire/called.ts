/** How people call a node of which they ask workloads. */

import type { Called } from '../../../wire/call-error.js';

export const NODE: Called = { noun: 'node', start: 'owl up --systems workload' };
