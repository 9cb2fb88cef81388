/** Disks that fill, or are taken out. */

import t from 'tap';
import { testCases } from './field-cases.js';

testCases(t, ['data-disk-full', 'destination-overcommit', 'mount-lost-while-waiting']);
