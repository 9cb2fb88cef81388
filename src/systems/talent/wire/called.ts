/** How people call a node of which they ask plot tasks. */

import type { Called } from '../../../wire/call-error.js';

export const TALENT: Called = { noun: 'talent', start: 'owl talent --data DIR' };
