/** What becomes of a recorded log before it is played. */

import t from 'tap';
import { readRecording } from '../../../../src/systems/talent/player/recording.js';
import { LOG_NAMES, LOGS, readLog, toLines } from '../../../support/plotter-logs.js';
import { EXPECTED_FACTS } from '../support/expected-facts.js';
import { factsOf } from '../support/plotter-facts.js';

const PLOT_ID = 'ab'.repeat(32);
const PLACES = { tempDir: '/ssd/one', temp2Dir: '/ssd/two', finalDir: '/farm/ö' } as const;

function bytesOf(lines: readonly string[]): Buffer {
  return Buffer.from(lines.join(''), 'latin1');
}

for (const name of LOG_NAMES) {
  t.test(`${LOGS[name].file} stays as it is when nothing is to be replaced`, async (t) => {
    t.ok(bytesOf(readRecording(readLog(name)).lines).equals(readLog(name)));
  });

  t.test(`${LOGS[name].file} tells of another plot when that is wanted`, async (t) => {
    const { lines, fileName } = readRecording(readLog(name), { ...PLACES, plotId: PLOT_ID, memo: 'beef' });
    const { plot_id, memo, dest_dir, dest_file_name, failed, ...same } = factsOf(
      LOGS[name].format,
      toLines(bytesOf(lines)),
    );
    const recorded = EXPECTED_FACTS[name];
    t.equal(plot_id, PLOT_ID);
    t.equal(memo, recorded.memo === undefined ? undefined : 'beef');
    t.equal(dest_dir, recorded.dest_dir === undefined ? undefined : '/farm/ö');
    if (recorded.dest_file_name !== undefined) t.equal(dest_file_name, fileName);
    t.match(fileName, PLOT_ID, 'plots with different ids have different names');
    const { plot_id: _, memo: __, dest_dir: ___, dest_file_name: ____, failed: _____, ...rest } = recorded;
    t.strictSame(same, rest, 'all else is as recorded');
  });
}

t.test('a failed plot names the directory that was really missing', async (t) => {
  const { lines } = readRecording(readLog('missing'), { tempDir: '/gone', temp2Dir: '/gone' });
  t.equal(factsOf('chiapos', toLines(bytesOf(lines))).failed, 'Temp directory /gone does not exist');
});

t.test('a name that was chosen is the name of the plot', async (t) => {
  const { lines, fileName } = readRecording(readLog('chiapos'), { plotId: PLOT_ID, fileName: 'mine.plot' });
  t.equal(fileName, 'mine.plot');
  t.equal(factsOf('chiapos', toLines(bytesOf(lines))).dest_file_name, 'mine.plot');
});

t.test('directories are replaced only where they are paths of their own', async (t) => {
  const log = Buffer.from('Final Directory is: d\nadd d/a and "d" to /d, bad/d and d2, xd d\n');
  t.strictSame(readRecording(log, { finalDir: '/new' }).lines, [
    'Final Directory is: /new\n',
    'add /new/a and "/new" to /d, bad/d and d2, xd /new\n',
  ]);
});

t.test('what the plot took is the longest time its log tells', async (t) => {
  const seconds = LOG_NAMES.map((name) => readRecording(readLog(name)).seconds);
  t.strictSame(seconds, [18380.426, 1.754, 0, 4968.41, 582.91]);
});

t.test('bytes that are no text pass unharmed', async (t) => {
  const log = Buffer.from([0x49, 0x44, 0x3a, 0x20, 0x61, 0x0a, 0xff, 0x00, 0xc3, 0x28, 0x0d, 0x0a, 0x61]);
  t.ok(bytesOf(readRecording(log).lines).equals(log));
  t.equal(readRecording(log).lines.length, 3);
  t.strictSame(readRecording(Buffer.alloc(0)), { lines: [], fileName: undefined, seconds: 0 });
});
