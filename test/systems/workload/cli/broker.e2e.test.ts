/** Commands over a real broker: the whole demo, a pilot beside its node, and what is refused. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  EVENTS_DEAD,
  EXCHANGE,
  JOBS_DEAD,
  jobsQueue,
  PILOT_EVENTS,
  pilotQueue,
} from '../../../../src/systems/workload/wire/amqp/topology.js';

import { startOwl } from '../../../support/owl-process.js';
import { startRabbitMq, withoutRabbitMq } from '../../../support/rabbitmq.js';
import { owl } from '../../../support/terminal-double.js';
import { testDirectory } from '../../../support/test-directory.js';
import { until } from '../../../support/until.js';

t.setTimeout(240_000);

t.test('a password in the address of a broker is refused, unseen, with the key to use', async (t) => {
  const cwd = testDirectory(t);
  for (const command of [['pilot', 'run'], ['demo']]) {
    const args = ['workload', ...command, '--broker', 'amqp://owl:geheim@127.0.0.1/v'];
    const { code, stderr } = await owl(args, { cwd, env: {} });
    t.equal(code, 2);
    t.match(stderr, /workload\.broker_password_file/);
    t.notMatch(stderr, /geheim/);
  }
});

t.test('commands over a broker', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);
  const env = { OWL_WORKLOAD_BROKER_PASSWORD_FILE: rabbit.passwordFile };

  t.test('the demo, which leaves nothing at the broker', async (t) => {
    const cwd = testDirectory(t);
    const url = rabbit.url();
    const demo = startOwl(t, ['workload', 'demo', '--broker', url], { cwd, env });
    const { code, stdout, stderr } = await demo.ended;
    t.equal(code, 0, stderr);
    t.match(stdout, `that it speaks with over ${url}`);
    t.match(stdout, /queue amqp/);
    t.match(stdout, /([0-9]+) words by owl; .* says \1\./);
    const model = await rabbit.connect(url);
    for (const queue of [PILOT_EVENTS, JOBS_DEAD, EVENTS_DEAD, jobsQueue('cpu'), pilotQueue('demo-cpu')]) {
      const channel = await model.createChannel();
      channel.on('error', () => undefined);
      await t.rejects(channel.checkQueue(queue), /NOT.FOUND/);
    }
    const channel = await model.createChannel();
    channel.on('error', () => undefined);
    await t.rejects(channel.checkExchange(EXCHANGE), /NOT.FOUND/);
    await model.close();
  });

  t.test('`owl up` runs its pilot over it, and no demo goes where somebody works', async (t) => {
    const cwd = testDirectory(t);
    const url = rabbit.url();
    writeFileSync(
      join(cwd, 'owl.yaml'),
      [
        'systems: [workload]',
        'workload:',
        `  broker: ${url}`,
        `  broker_password_file: ${rabbit.passwordFile}`,
        '  pilot: { name: shed-3 }',
        '  executables: { sort: { argv: [sort, -o, "{out}", "{in}"] } }',
        '',
      ].join('\n'),
    );
    const up = startOwl(t, ['up', '--json', '--listen', '127.0.0.1:0'], { cwd });
    await until('the pilot has its lease', () => /the pilot has its lease/.test(up.stderr()));
    const model = await rabbit.connect(url);
    const channel = await model.createChannel();
    t.match(await channel.checkQueue(pilotQueue('shed-3')), { consumerCount: 1 });
    t.match(await channel.checkQueue(jobsQueue('cpu')), { consumerCount: 1 });
    await model.close();
    const { code, stderr } = await owl(['workload', 'demo', '--broker', url], { cwd, env });
    t.equal(code, 1);
    t.match(stderr, /is in use: give the demo a virtual host of its own/);
    up.child.kill('SIGTERM');
    t.match(await up.ended, { code: 0 });
  });
});
