/** Starts, and machines that come back. */

import t from 'tap';
import { testCases } from './field-cases.js';

testCases(t, ['clock-set-back', 'duplicate-starts', 'lost-data-directory']);
