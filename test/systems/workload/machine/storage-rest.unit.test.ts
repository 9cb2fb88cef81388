import t from 'tap';
import { StorageRest } from '../../../../src/systems/workload/machine/storage-rest.js';
import { ManualClock } from '../../../support/manual-clock.js';

t.test('a rest begins with the third attempt in a row, ends by itself, and one more begins the next', (t) => {
  const clock = new ManualClock();
  const warned: string[] = [];
  const rest = new StorageRest({ clock, logger: { warn: (_fields, message) => void warned.push(message) } });
  t.notOk(rest.noteUnusable('away'));
  t.notOk(rest.noteUnusable('away'));
  rest.noteUsed();
  t.notOk(rest.noteUnusable('away'));
  t.notOk(rest.noteUnusable('away'));
  t.equal(rest.reason, undefined);
  t.ok(rest.noteUnusable('not mounted'));
  t.match(rest.reason, /3 times in a row: not mounted$/);
  t.notOk(rest.noteUnusable('another slot'), 'it has begun');
  clock.advance(59_999);
  t.not(rest.reason, undefined);
  clock.advance(1);
  t.equal(rest.reason, undefined);
  t.ok(rest.noteUnusable('still away'));
  t.equal(warned.length, 2);
  t.end();
});
