/** Which processes belong to a process, with real ones that clear their environment and outlive it. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import t, { type Test } from 'tap';
import { identifyProcess, isAlive, type ProcessIdentity } from '../../src/base/process-identity.js';
import { endMarked, ProcessFamily, signalGroup } from '../../src/processes/process-family.js';
import { markOf } from '../../src/processes/records/process-kind.js';
import { until } from '../support/until.js';
import { wakingClock as clock } from '../support/waking-clock.js';
import { JOBS } from './jobs.js';

/** A child that starts one more whenever it gets SIGUSR2, and neither of them has an environment. */
const CHILD = `
  const start = () => console.log(require('node:child_process').spawn('sleep', ['1000'], { env: {} }).pid);
  process.on('SIGUSR2', start);
  setInterval(() => {}, 1000);
  console.log(process.pid);`;
const LEADER = `
  require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(CHILD)}], { env: {}, stdio: 'inherit' });
  setInterval(() => {}, 1000);`;

interface Family {
  readonly leader: ProcessIdentity;
  readonly child: ProcessIdentity;
  /** Kills the leader, and nobody else. */
  endLeader(): Promise<void>;
  /** By the child. */
  startAnother(): Promise<ProcessIdentity>;
}

async function startFamily(t: Test): Promise<Family> {
  const process_ = spawn(process.execPath, ['-e', LEADER], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const all: ProcessIdentity[] = [];
  let printed = '';
  process_.stdout.on('data', (text: Buffer) => {
    printed += text.toString();
  });
  const nextOf = async (): Promise<ProcessIdentity> => {
    await until('its pid is printed', () => printed.includes('\n'));
    const [line = ''] = printed.split('\n');
    printed = printed.slice(line.length + 1);
    return known(Number(line));
  };
  const known = (pid: number): ProcessIdentity => {
    const identity = identifyProcess(pid);
    if (identity === undefined) throw new Error(`${pid} does not run`);
    all.push(identity);
    return identity;
  };
  t.teardown(() => {
    for (const one of all) if (isAlive(one)) process.kill(one.pid, 'SIGKILL');
  });
  const leader = known(process_.pid ?? 0);
  const child = await nextOf();
  return {
    leader,
    child,
    async endLeader() {
      const ended = once(process_, 'exit');
      process_.kill('SIGKILL');
      await ended;
    },
    async startAnother() {
      process.kill(child.pid, 'SIGUSR2');
      return await nextOf();
    },
  };
}

t.test(
  'who was seen in the session of a living process belongs to it, and whoever it starts then',
  async (t) => {
    const family = await startFamily(t);
    const session = new ProcessFamily(family.leader);
    t.same(session.look(), [family.child]);
    await family.endLeader();
    const late = await family.startAnother();
    t.same(session.look(), [family.child, late]);

    const { signal } = new AbortController();
    t.equal(await endMarked(markOf(JOBS, '/no/record'), clock, signal, { family: session }), 2);
    t.notOk(isAlive(family.child) || isAlive(late));
    t.same(session.look(), []);
  },
);

t.test('a session whose number may be another process by now is left alone', async (t) => {
  const family = await startFamily(t);
  const late = new ProcessFamily(family.leader);
  // As if the pid of this leader had been another one's before.
  const other = new ProcessFamily({ ...family.leader, startTime: '1' });
  t.same(other.look(), []);
  await family.endLeader();
  t.same(late.look(), [], 'nobody has looked while it lived');
  t.ok(isAlive(family.child));
  t.notOk(signalGroup(family.leader, 'SIGKILL'), 'the group of a dead leader gets no signal');
  t.ok(isAlive(family.child));
});

t.test('the pid that stands for everybody is never signalled', async (t) => {
  const init = identifyProcess(1);
  if (init === undefined) throw new Error('no process 1');
  // One that does no harm, if it were sent.
  t.equal(signalGroup(init, 'SIGCONT'), false);
});
