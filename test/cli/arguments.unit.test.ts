/** What stands on the command line is read as it was meant, or refused with what it should have been. */

import t from 'tap';
import { pointInTime, severalOf, wholeNumber } from '../../src/cli/arguments.js';

t.test('whole numbers', async (t) => {
  const read = wholeNumber(1, 10);
  t.equal(read('1'), 1);
  t.equal(read('10'), 10);
  for (const wrong of ['0', '11', '1.5', '-1', '1e1', '0x1', ' 1', '', 'ten']) {
    t.throws(
      () => read(wrong),
      { code: 'commander.invalidArgument', message: 'It must be a whole number from 1 to 10.' },
      wrong,
    );
  }
});

t.test('one of several, given several times or with commas', async (t) => {
  const read = severalOf(['running', 'failed', 'stopped']);
  t.strictSame(read('running', undefined), ['running']);
  t.strictSame(read('failed, stopped', ['running']), ['running', 'failed', 'stopped']);
  t.throws(() => read('running,runing', undefined), {
    message: '"runing" is none of running, failed, stopped.',
  });
  t.throws(() => read('', undefined), { message: /^"" is none of/ });
});

t.test('points in time', async (t) => {
  const now = Date.UTC(2026, 2, 10, 12);
  const read = pointInTime(now);
  t.equal(read('90s'), now / 1000 - 90);
  t.equal(read('15m'), now / 1000 - 900);
  t.equal(read('1.5h'), now / 1000 - 5400);
  t.equal(read('3d'), now / 1000 - 3 * 86_400);
  t.equal(read('1w'), now / 1000 - 7 * 86_400);
  t.equal(read('2026-03-09'), new Date(2026, 2, 9).getTime() / 1000, 'a day begins at local midnight');
  t.equal(read('2026-03-09 14:30'), new Date(2026, 2, 9, 14, 30).getTime() / 1000);
  t.equal(read('2026-03-09T14:30:15Z'), Date.UTC(2026, 2, 9, 14, 30, 15) / 1000);
  t.equal(read('2026-03-09T14:30:15+02:00'), Date.UTC(2026, 2, 9, 12, 30, 15) / 1000);
  for (const wrong of [
    '',
    'yesterday',
    '2h30m',
    '-2h',
    '2026-13-01',
    '2026-02-31x',
    '09.03.2026',
    '5',
    'h',
  ]) {
    t.throws(() => read(wrong), { code: 'commander.invalidArgument' }, wrong);
  }
});
