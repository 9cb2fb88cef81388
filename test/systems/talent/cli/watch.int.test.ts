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

t.test('a watch outlives a restart of talent, and tells a pipe nothing twice', async (t) => {
  const data = t.testdir();
  const startAt = async (listen: string, flags: Record<string, string> = {}) => {
    const config = loadTalentConfig({ env: {}, cwd: '/', flags: { data, listen, ...flags } });
    const talent = await startTalent({ config, logger: logLines().logger });
    t.teardown(() => talent.stop());
    return talent;
  };
  const first = await startAt('127.0.0.1:0');
  const env = { OWL_SERVER: first.address };
  const order = (id: string) => owl(['plot', 'create', ...PATHS, '--task-id', id], { env });
  await order('one');
  await order('two');
  const [text, json, live] = [
    terminalDouble({ env }),
    terminalDouble({ env }),
    terminalDouble({ env, screen: { columns: 80, rows: 9 } }),
  ];
  const watching = [
    runOwl(['plot', 'watch'], text),
    runOwl(['plot', 'watch', '--json', '--status', 'received'], json),
    runOwl(['plot', 'watch'], live),
  ];
  await until('all have seen what there is', () =>
    [text, json, live].every((terminal) => terminal.stdout().includes('two')),
  );
  await until('the beginning is complete', () => json.stdout().includes('initial_complete'));
  await first.stop();
  await until('all are told', () =>
    [text, json, live].every((terminal) =>
      terminal.stderr().includes('the talent is away, waiting for it ('),
    ),
  );

  const second = await startAt('127.0.0.1:0');
  await owl(['plot', 'stop', 'one'], { env: { OWL_SERVER: second.address } });
  await second.stop();
  await startAt(first.address);
  await until('all go on', () =>
    [text, json, live].every((terminal) => terminal.stderr().endsWith('the talent is back\n')),
  );
  await order('three');
  await until('all see what is new', () =>
    [text, json, live].every((terminal) => terminal.stdout().includes('three')),
  );
  for (const terminal of [text, json, live]) terminal.interrupt('SIGINT');
  t.strictSame(await Promise.all(watching), [130, 130, 130]);

  const lines = text.stdout().trimEnd().split('\n');
  t.match(lines, [/ one {2}received /, / two {2}received /, / one {2}stopped /, / three {2}received /]);
  t.equal(lines.length, 4);
  const changes = json
    .stdout()
    .trimEnd()
    .split('\n')
    .map((line): unknown => JSON.parse(line));
  t.match(changes, [
    { task: { task_id: 'one' } },
    { task: { task_id: 'two' } },
    { initial_complete: true },
    { task: { task_id: 'one' }, gone: true },
    { task: { task_id: 'three' } },
  ]);
  t.equal(changes.length, 5);
  t.match(screen(live.stdout()), /^TASK.*\ntwo .*\nthree .*\none +stopped .*\n$/);
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
