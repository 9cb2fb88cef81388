/** `owl plot watch` on a screen: a table that is drawn over itself. */

import t from 'tap';
import { runOwl } from '../../../../src/run.js';
import { logLines } from '../../../support/log-lines.js';
import { loadTalentConfig, startTalent } from '../../../support/start-talent.js';
import { owl, terminalDouble } from '../../../support/terminal-double.js';
import { until } from '../../../support/until.js';

const PATHS = ['--cache1', '/c', '--dest-path', '/d'];

t.test('the table is drawn over the one before, with what is most interesting first', async (t) => {
  const flags = { data: t.testdir(), listen: '127.0.0.1:0' };
  const config = loadTalentConfig({ env: {}, cwd: '/', flags });
  const talent = await startTalent({ config, logger: logLines().logger });
  t.teardown(() => talent.stop());
  const env = { OWL_SERVER: talent.address };

  const terminal = terminalDouble({ env, screen: { columns: 80, rows: 6 } });
  const watching = runOwl(['plot', 'watch'], terminal);
  await until('an empty table says so', () => terminal.stdout() === 'no task to watch yet\n');

  for (const id of ['t1', 't2', 't3', 't4'])
    await owl(['plot', 'create', ...PATHS, '--task-id', id], { env });
  await until('what does not fit is counted', () => screen(terminal.stdout()).includes('… and 1 more'));
  t.match(screen(terminal.stdout()), /^TASK.*\nt1 .*\nt2 .*\nt3 .*\n… and 1 more\n$/);

  await owl(['plot', 'stop', 't1'], { env });
  await until('what is over goes below', () =>
    /^TASK.*\nt2 .*\nt3 .*\nt4 .*\n… and 1 more\n$/.test(screen(terminal.stdout())),
  );

  terminal.interrupt('SIGINT');
  t.equal(await watching, 130);
  t.equal(terminal.stderr(), '');
});

/** What stands on the screen after all of this was written to it: `ESC [ n A` goes up n lines, `ESC [ 0 J` clears the rest. */
function screen(written: string): string {
  const [first = '', ...sequences] = written.split('\u001b[');
  let lines = first.split('\n');
  for (const sequence of sequences) {
    const up = /^(\d+)A$/.exec(sequence)?.[1];
    if (up !== undefined) lines = lines.slice(0, lines.length - 1 - Number(up));
    else lines.push(...sequence.replace(/^0J/, '').split('\n'));
  }
  return lines.join('\n');
}
