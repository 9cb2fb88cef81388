/** docs/workload.md, Over RabbitMQ: what it has an operator set up lets a node and a pilot work, and its pilot's command runs. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { startOwl } from '../support/owl-process.js';
import { type RabbitMq, startRabbitMq, withoutRabbitMq } from '../support/rabbitmq.js';
import { owl } from '../support/terminal-double.js';
import { testDirectory } from '../support/test-directory.js';
import { until } from '../support/until.js';
import { startWorkload } from '../systems/workload/support/workload-node.js';

const PAGE = readFileSync(join(PACKAGE_ROOT, 'docs/workload.md'), 'utf8');
const [, SETUP = ''] = /```sh broker\n([\s\S]*?)```/.exec(PAGE) ?? [];
const [, PILOT = ''] = /```sh pilot-over-broker\n([\s\S]*?)```/.exec(PAGE) ?? [];
const [, LOOK = '', LOOKED = ''] =
  /```sh broker-status\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/.exec(PAGE) ?? [];

// Five times rabbitmqctl, which is a node of Erlang each time.
t.setTimeout(240_000);

t.test('users and rights as the page has them', { skip: withoutRabbitMq() }, async (t) => {
  const rabbit = await startRabbitMq(t);
  // In a test of its own, for the broker's directory is this one's.
  await t.test('a node and a pilot work with them', (t) => work(t, rabbit));
});

async function work(t: Test, rabbit: RabbitMq): Promise<void> {
  const cwd = testDirectory(t);
  await rabbit.ctl(SETUP, { NODE_PASSWORD: 'of the node', PILOT_PASSWORD: 'of the pilot' });
  const [ofNode, ofPilot] = [join(cwd, 'node.password'), join(cwd, 'shed-4.password')];
  writeFileSync(ofNode, 'of the node\n', { mode: 0o600 });
  writeFileSync(ofPilot, 'of the pilot\n', { mode: 0o600 });
  writeFileSync(
    join(cwd, 'owl.yaml'),
    'systems: [workload]\nworkload: { executables: { wc: { argv: [wc, "{in}"] } } }\n',
  );
  const broker = `amqp://farm-node@${rabbit.address}/farm`;
  const node = await startWorkload(t, {
    data: join(cwd, 'node'),
    config: { broker, broker_password_file: ofNode },
  });
  const [assignment = '', , ...args] = PILOT.trim().split(' ');
  const [variable = '', file = ''] = assignment.split('=');
  const own = args.map((arg) => arg.replace('rabbit.farm', rabbit.address));
  const pilot = startOwl(t, own, { cwd, env: { [variable]: file } });
  await until('the pilot has its lease', () => /the pilot has its lease/.test(pilot.stderr()));
  const [, ...look] = LOOK.trim().split(' ');
  const { stdout } = await owl(look, { cwd, env: { OWL_SERVER: node.node.address, OWL_DATA: node.data } });
  t.strictSame(firstWords(stdout), firstWords(LOOKED));
  await node.createJob('j');
  const types = async () => (await node.eventsOf('j')).map(({ type }) => type);
  // There is nothing that it could read: it is claimed, and comes back as failed.
  await until('it was claimed', async () => (await types()).includes('JobClaimed'));
  t.notMatch(pilot.stderr(), /ACCESS.REFUSED/);
  pilot.child.kill('SIGTERM');
  t.match(await pilot.ended, { code: 0 });
  t.notOk(node.log.messages('error').some((line) => /refused/i.test(line)));
}

/** What each line is about. */
function firstWords(text: string): string[] {
  return text
    .trim()
    .split('\n')
    .map((line) => line.split('  ')[0] ?? '');
}
