/**
 * A program that commits an event whose flush never comes back: `node commit-without-flush.js DATABASE STREAM`. It says
 * `flushed` once a first event is stored, and `committed` when the second one is on its way to the disk; then it waits to be
 * killed.
 */

import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { badDisk } from '../../../support/bad-disk.js';
import { proposeMany } from '../../../support/events.js';

const [, , database = '', stream = ''] = process.argv;
const store = openSqliteEventStore(database);
await store.append(stream, 'noStream', proposeMany(1));
process.stdout.write('flushed\n');
badDisk.mood = 'holding';
badDisk.onFlush = () => process.stdout.write('committed\n');
setInterval(() => undefined, 1_000);
await store.append(stream, 0, proposeMany(1, 1));
