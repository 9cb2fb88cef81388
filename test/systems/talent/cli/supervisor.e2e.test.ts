/** `owl supervisor`: the real command with a configuration file, plotting for a real talent. */

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { runOwl } from '../../../../src/run.js';
import { startOwl } from '../../../support/owl-process.js';
import { owl, terminalDouble } from '../../../support/terminal-double.js';
import { until } from '../../../support/until.js';
import { CHIAPOS_LOG, Farm } from '../support/farm.js';

/** A player that stays until it is stopped. */
function configOf(farm: Farm): string {
  return `
data: ${farm.data}
log: { level: silent }
supervisor: { plotter: actor, max_plots: 2 }
plotters:
  actor:
    argv: ["{node}", "{player}", --log, ${CHIAPOS_LOG}, --seconds, "0", --pause-at, "100", --pause-until, ${farm.directory}/go,
           -t, "{cache1}", -d, "{dest}", -f, "{file_name}", -i, "{plot_id}"]
    format: chiapos
    temp: ["plot-k{ksize}-*{plot_id}.plot.*tmp"]
`;
}

async function start(t: Test): Promise<{ farm: Farm; file: string; server: string }> {
  const farm = await Farm.start(t);
  const file = join(farm.directory, 'owl.yaml');
  writeFileSync(file, configOf(farm));
  return { farm, file, server: farm.talent.address };
}

t.test('it runs until it is told to stop, and does what it is asked', async (t) => {
  const { farm, file, server } = await start(t);
  const terminal = terminalDouble();
  const running = runOwl(['supervisor', '--config', file, '--server', server], terminal);
  await until('it says that it is there', () => terminal.stdout() !== '');
  t.equal(
    terminal.stdout(),
    `owl supervisor makes plots with actor for ${server}, with its data in ${farm.data}\n`,
  );

  const ask = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await owl(['supervisor', ...args, '--config', file]);
    t.same([code, stderr], [0, ''], args.join(' '));
    return stdout;
  };
  await farm.order('task_one');
  await farm.reaches('task_one', 'running');
  await farm.order('task_two');
  await farm.reaches('task_two', 'running');
  await farm.order('task_three');
  await farm.reaches('task_three', 'pending');
  const status = await ask('status');
  t.match(status, new RegExp(`^supervisor +process ${process.pid}\\ntalent +${server}\\n`));
  t.match(status, /\ntask_one +running +\d+ /);
  t.match(status, /\ntask_three +2 plots run on this machine, as many as max_plots allows\n/);
  t.match(JSON.parse(await ask('status', '--json')), {
    plotter: 'actor',
    plots: { length: 2 },
    waiting: { length: 1 },
  });

  t.match(await ask('suspend', 'task_on'), /\ntask_one +suspended /);
  t.match(await ask('resume', 'task_one'), /\ntask_one +running /);
  t.match(await ask('drain'), `supervisor    process ${process.pid}, draining\n`);
  t.notMatch(await ask('undrain'), /^supervisor.*draining/);
  await until('what waits has another reason', async () => !(await ask('status')).includes('draining'));
  // Somebody else makes it, and is asked to stop.
  await farm.client.update({ task_id: 'task_three', status: 'running' });
  await farm.client.stop({ task_id: 'task_three' });
  await until('it waits here no more', async () => !(await ask('status')).includes('task_three'));
  for (const [args, message] of [
    [['suspend', 'task_nine'], 'owl: no plot of a task task_nine runs on this machine\n'],
    [['suspend', 'task_'], /^owl: task_ may be task_one or task_two; say more of it\n$/],
  ] as const) {
    const { code, stderr } = await owl(['supervisor', ...args, '--config', file]);
    t.equal(code, 1);
    t.match(stderr, message);
  }

  terminal.interrupt('SIGTERM');
  t.equal(await running, 0);
  farm.goOn();
  const after = await owl(['supervisor', 'status', '--config', file]);
  t.equal(after.code, 1);
  t.match(after.stderr, `owl: no supervisor runs in ${farm.data}; start one with \`owl supervisor run\`\n`);
});

t.test('a log receiver that was started by hand is taken over, and a second one is told of it', async (t) => {
  const { farm, file, server } = await start(t);
  const cwd = farm.directory;
  const byHand = ['log-receiver', '--data', 'supervisor', '--server', server];
  const receiver = startOwl(t, byHand, { cwd });
  await until('it follows', () => receiver.stdout() !== '');
  const terminal = terminalDouble();
  const running = runOwl(['supervisor', 'run', '--config', file, '--server', server], terminal);
  await until('it says that it is there', () => terminal.stdout() !== '');
  const { stdout } = await owl(['supervisor', 'status', '--config', file]);
  t.match(stdout, new RegExp(`\\nlog receiver +process ${receiver.child.pid}\\n`));
  t.match(await startOwl(t, byHand, { cwd }).ended, {
    code: 1,
    stdout: '',
    stderr: `has a log receiver already, process ${receiver.child.pid}, and needs no other; supervisors keep one running by themselves`,
  });
  terminal.interrupt('SIGTERM');
  t.equal(await running, 0);
  t.equal((await receiver.ended).code, 0, 'it ends with the supervisor, in order');
});

t.test('what can not be meant starts nothing', async (t) => {
  const { farm, file, server } = await start(t);
  const run = (...args: string[]) =>
    owl(['supervisor', 'run', '--config', file, '--server', server, ...args]);
  t.match(await run('--supervisor-plotter', 'nobody'), {
    code: 1,
    stderr: /^owl: plotter nobody is not declared; there are chia, .*, player, actor\n$/,
  });
  const token = join(farm.directory, 'token');
  writeFileSync(token, 'secret\n');
  chmodSync(token, 0o644);
  const args = ['supervisor', 'run', '--config', file, '--server', server, '--supervisor-plotter', 'nobody'];
  const { stderr } = await owl(args, { env: { OWL_TOKEN_FILE: token, OWL_LOG_LEVEL: 'warn' } });
  t.match(stderr, /"key":"token_file","msg":"token_file: .* can be read by others \(mode 644\); chmod 600 /);
  writeFileSync(file, configOf(farm).replace('format: chiapos', 'format: klingon'));
  t.match(await run(), {
    code: 1,
    stderr:
      /owl\.yaml:\d+:5: plotters\.actor\.format must name the format of its log, one of chia, .* not "klingon"/,
  });
  mkdirSync(join(farm.directory, 'other'));
  writeFileSync(file, configOf(farm).replace('"{ksize}', '"{size}').replace('{cache1}', '{cash}'));
  t.match(await run(), {
    code: 1,
    stderr: /owl\.yaml:\d+:\d+: plotters\.actor\.argv\.\d+ \{cash\} is no placeholder/,
  });
  t.same(farm.processes(), []);
});
