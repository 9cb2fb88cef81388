/** The log as people read it. */

import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import { lineOf } from '../../src/cli/log-lines.js';
import { loggerOf } from '../../src/cli/service.js';
import { terminalDouble } from '../support/terminal-double.js';

const LINE = { level: 'debug', format: 'line' } as const;
const FIELDS = {
  level: 30,
  time: new Date(2024, 0, 25, 8, 51, 33, 645).getTime(),
  pid: 10,
  hostname: 'farm',
};
const of = (fields: object) => lineOf(`${JSON.stringify({ ...FIELDS, ...fields })}\n`, false);

t.test('a line has who, when, level, place, process, message and what it is about', async (t) => {
  const said = { name: 'owl.job-manager', place: 'grants.js:41', msg: 'job granted', job: 7, pilot: 'p1' };
  t.equal(
    of(said),
    'owl.job-manager: 2024-01-25 08:51:33,645 | INFO | grants.js:41 | 10 >>> job granted job=7 pilot=p1\n',
  );
  t.equal(of({ msg: 'nothing more' }), 'owl: 2024-01-25 08:51:33,645 | INFO | 10 >>> nothing more\n');
});

t.test('values are told apart, and none breaks a line or moves the cursor', async (t) => {
  const said = of({
    ...{
      msg: 'two\nlines \u001b[2J',
      plain: '/a/b:c',
      blank: 'a b',
      none: '',
      'k\ney': 'x=y',
      list: [1, 'a'],
    },
    ...{ nothing: null, told: 'a\nb\u001b[31m', hidden: 'a\u202eb' },
  });
  t.match(
    said,
    String.raw`>>> two lines �[2J plain=/a/b:c blank="a b" none="" k ey="x=y" list=[1,"a"] nothing=null told="a\nb\u001b[31m" hidden="a�b"` +
      '\n',
  );
  t.equal(said.split('\n').length, 2);
});

t.test('an error says its message in the line and where it was below it', async (t) => {
  const err = {
    type: 'Error',
    message: 'full disk',
    stack: 'Error: full disk\n    at write (/a/b.js:1:2)\n    at x',
  };
  t.match(
    of({ level: 50, msg: 'lost', err }),
    /ERROR \| 10 >>> lost error="full disk"\n {4}at write \(\/a\/b\.js:1:2\)\n {4}at x\n$/,
  );
  t.match(of({ msg: 'lost', err: 'odd' }), '>>> lost error=odd\n');
});

t.test('what is no line of the log is written as it is', async (t) => {
  for (const text of ['no JSON\n', '{"level":30}\n', '[]\n']) t.equal(lineOf(text, true), text);
});

t.test('a logger writes so where it is configured, with the place of who logs', async (t) => {
  const terminal = terminalDouble();
  const logger = loggerOf(terminal, { log: LINE });
  logger.child({ name: 'owl.dsm', dataset: 'd1' }).warn({ pid: 4711 }, 'files are missing');
  logger.trace('not logged');
  await new Promise((resolve) => setImmediate(resolve));
  const pattern = new RegExp(
    `^owl\\.dsm: [-\\d]+ [:\\d]+,\\d{3} \\| WARN \\| log-lines\\.unit\\.test\\.[jt]s:\\d+ \\| ${process.pid} >>> files are missing dataset=d1 process=4711\\n$`,
  );
  t.match(terminal.stderr(), pattern);
});

t.test('only a terminal gets colours', async (t) => {
  const terminal = terminalDouble({ screen: { columns: 80, rows: 24 } });
  loggerOf(terminal, { log: LINE }).error('lost');
  await new Promise((resolve) => setImmediate(resolve));
  const said = terminal.stderr();
  t.not(said, stripVTControlCharacters(said));
  t.match(stripVTControlCharacters(said), '| ERROR |');
});
