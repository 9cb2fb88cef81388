/** How plots end. */

import t from 'tap';
import { testCases } from './field-cases.js';

testCases(t, ['killed-in-the-copy', 'log-rotated', 'other-k-than-ordered']);
