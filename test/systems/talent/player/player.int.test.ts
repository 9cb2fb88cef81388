/** The player as a process: what it prints, what it leaves behind and how it ends. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { pathOf, readLog } from '../../../support/plotter-logs.js';
import { until } from '../../../support/until.js';

const PLAYER = fileURLToPath(new URL('../../../../src/systems/talent/player/player.js', import.meta.url));
const FIRST_LINE = 'player: this is the log of another plot, played for a demo or a test; no plot is made\n';
const TEMPORARY = ['plot-k18-test.plot.sort.tmp', 'plot-k18-test.plot.table1.tmp'];
const TEMPORARY2 = ['plot-k18-test.plot.2.tmp'];

interface Play {
  readonly child: ChildProcess;
  /** Exit code or signal. */
  readonly ended: Promise<unknown>;
  /** All it has printed so far. */
  printed(): string;
  /** The names in one of its directories. */
  namesIn(place: 'temp' | 'temp2' | 'final'): string[];
  /** A path beside its directories. */
  beside(name: string): string;
}

function play(t: Test, ...args: readonly string[]): Play {
  const directory = t.testdir({ temp: {}, temp2: {}, final: {} });
  const at = (name: string): string => join(directory, name);
  const log = openSync(at('log'), 'wx');
  const places = ['-t', at('temp'), '-2', at('temp2'), '-d', at('final')];
  const filled = args.map((arg) => arg.replace('{DIR}', directory));
  const child = spawn(process.execPath, [PLAYER, ...places, ...filled], { stdio: ['ignore', log, log] });
  closeSync(log);
  const ended = once(child, 'exit').then(([code, signal]: unknown[]) => signal ?? code);
  t.teardown(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return {
    child,
    ended,
    printed: () => readFileSync(at('log'), 'utf8'),
    namesIn: (place) => readdirSync(at(place)).sort(),
    beside: at,
  };
}

function linesOf(text: string): number {
  return text.split('\n').length - 1;
}

t.test('it says that it is a player, plays the log, and leaves a file in its final place', async (t) => {
  const { ended, printed, namesIn, beside } = play(t, '--log', pathOf('chiapos'), '--seconds', '0');
  t.equal(await ended, 0);
  t.ok(printed().startsWith(FIRST_LINE));
  t.equal(linesOf(printed()), linesOf(readLog('chiapos').toString()) + 1);
  t.match(printed(), `temporary dirs: ${beside('temp')} and ${beside('temp2')}\n`);
  t.match(printed(), `to "${beside('final')}/plot-k18-test.plot"\n`);
  t.strictSame([namesIn('temp'), namesIn('temp2')], [[], []], 'the temporary files are gone');
  t.strictSame(namesIn('final'), ['plot-k18-test.plot']);
});

t.test('the file goes where it is told to go', async (t) => {
  const { ended, namesIn } = play(
    t,
    '--log',
    pathOf('chiapos'),
    '--seconds',
    '0',
    '--final-file',
    '{DIR}/temp/a',
  );
  t.equal(await ended, 0);
  t.strictSame(namesIn('final'), []);
  t.strictSame(namesIn('temp'), ['a']);
});

t.test('it stands still where it is told to, works on when the file is there', async (t) => {
  const pause = ['--pause-at', '20', '--pause-until', '{DIR}/go'];
  const { ended, printed, namesIn, beside } = play(t, '--log', pathOf('chiapos'), '--seconds', '0', ...pause);
  await until('20 lines are printed', () => linesOf(printed()) === 21);
  t.strictSame(namesIn('temp'), TEMPORARY, 'it is at work');
  t.strictSame(namesIn('temp2'), TEMPORARY2);
  writeFileSync(beside('go'), '');
  t.equal(await ended, 0);
  t.strictSame(namesIn('temp'), []);
});

t.test('the lines come one after another, in the time asked for', async (t) => {
  const begin = performance.now();
  const { ended, printed } = play(t, '--log', pathOf('missing'), '--seconds', '0.6');
  await until('some lines are printed', () => linesOf(printed()) > 3);
  t.ok(linesOf(printed()) < 15, 'not all at once');
  t.equal(await ended, 0);
  t.ok(performance.now() - begin >= 600);
});

t.test('by default it is as slow as the plot was, and a factor makes it faster', async (t) => {
  // 4968.41 seconds.
  const begin = performance.now();
  const { ended } = play(t, '--log', pathOf('madmax'), '--speed', '10000');
  t.equal(await ended, 0);
  t.ok(performance.now() - begin >= 496);
});

t.test('a failure: the exit code asked for, no plot, and its temporary files left behind', async (t) => {
  const { ended, printed, namesIn } = play(
    t,
    ...['--log', pathOf('chiapos'), '--seconds', '0', '--lines', '30', '--exit-code', '3'],
  );
  t.equal(await ended, 3);
  t.equal(linesOf(printed()), 31);
  t.strictSame([namesIn('temp'), namesIn('temp2'), namesIn('final')], [TEMPORARY, TEMPORARY2, []]);
});

t.test('one that exits 0 before its end has not finished a plot', async (t) => {
  const { ended, namesIn } = play(t, '--log', pathOf('chiapos'), '--seconds', '0', '--lines', '30');
  t.equal(await ended, 0);
  t.strictSame([namesIn('temp'), namesIn('final')], [TEMPORARY, []]);
});

t.test('it ends by the signal asked for', async (t) => {
  const { ended } = play(t, '--log', pathOf('missing'), '--seconds', '0', '--signal', 'SIGABRT');
  t.equal(await ended, 'SIGABRT');
});

t.test('SIGTERM ends it, unless it is stubborn', async (t) => {
  const still = [
    '--log',
    pathOf('chiapos'),
    '--seconds',
    '0',
    '--pause-at',
    '5',
    '--pause-until',
    '{DIR}/go',
  ];
  t.test('as usual', async (t) => {
    const { child, ended, printed, namesIn } = play(t, ...still);
    await until('it works', () => linesOf(printed()) === 6);
    child.kill('SIGTERM');
    t.equal(await ended, 'SIGTERM');
    t.strictSame(namesIn('temp'), TEMPORARY);
  });
  t.test('stubborn', async (t) => {
    const { child, ended, printed, beside } = play(t, ...still, '--stubborn');
    await until('it works', () => linesOf(printed()) === 6);
    child.kill('SIGTERM');
    writeFileSync(beside('go'), '');
    t.equal(await ended, 0);
  });
});

t.test('what can not be meant is refused with what can', async (t) => {
  const cases: readonly (readonly [args: readonly string[], message: string])[] = [
    [[], '--log FILE is missing'],
    [['--log', 'x', '--seconds', 'soon'], '--seconds takes a number, not "soon"'],
    [['--log', 'x', '--lines', '1.5'], '--lines takes a whole number, not "1.5"'],
    [['--log', 'x', '--speed', '-1'], "'--speed' argument is ambiguous"],
    [['--log', 'x', '--signal', 'TERM'], '--signal takes the name of a signal'],
    [['--log', 'x', '--pause-at', '3'], '--pause-at and --pause-until are given together'],
    [['--log', 'x', '--loud'], "Unknown option '--loud'"],
  ];
  for (const [args, message] of cases) {
    await t.test(args.join(' '), async (t) => {
      const { ended, printed } = play(t, ...args);
      t.equal(await ended, 2);
      t.match(printed(), message);
      t.match(printed(), '--pause-until FILE');
    });
  }
});

t.test('a log that is not there is named', async (t) => {
  const { ended, printed } = play(t, '--log', '{DIR}/none.log');
  t.equal(await ended, 1);
  t.match(printed(), /none\.log/);
  t.notMatch(printed(), /--pause-until/);
});
