/** What people read whose owl has other systems than talent, or another beside it. */

import { createServer } from 'node:net';
import t from 'tap';
import type { System } from '../../src/cli/system.js';
import { runOwl } from '../../src/run.js';
import { talent as talentSystem } from '../../src/systems/talent/system.js';
import { SYSTEMS } from '../../src/systems.js';
import { terminalDouble } from '../support/terminal-double.js';
import { semaphoreSystem } from '../systems/semaphore/system.js';

async function owl(systems: readonly System[], ...args: readonly string[]) {
  const terminal = terminalDouble();
  const code = await runOwl(args, terminal, systems);
  return { code, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 1;
}

const inOneLine = (text: string) => text.replaceAll(/\s+/g, ' ');

const BOTH = [...SYSTEMS, semaphoreSystem];
const OWN = [
  ['--help'],
  ['up', '--help'],
  ['status', '--help'],
  ['node', '--help'],
  ...['run', 'status', 'redrive', 'rebuild'].map((name) => ['node', name, '--help']),
  ['store', 'copy', '--help'],
  ['config', 'check', '--help'],
];

t.test('an owl without talent has no word of it in its help', async (t) => {
  for (const command of OWN) {
    const { code, stdout } = await owl([semaphoreSystem], ...command);
    t.equal(code, 0, command.join(' '));
    t.notMatch(stdout, /plot|talent|supervisor/i, command.join(' '));
  }
  t.match(
    inOneLine((await owl([semaphoreSystem], 'up', '--help')).stdout),
    'OWL_SYSTEMS; default: semaphore)',
  );
});

t.test('with two systems each says what it runs, and the first is the usual one', async (t) => {
  const help = inOneLine((await owl(BOTH, 'up', '--help')).stdout);
  t.match(help, 'OWL_SYSTEMS; default: talent)');
  t.match(help, 'stderr. talent runs the supervisor with its log receiver; plotters go on when it ends');
  t.match((await owl(BOTH, '--help')).stdout, '$ owl plot watch\n      follow what happens');
});

t.test('nobody answers: a command of a system says so of that, those of owl of the node', async (t) => {
  const server = `127.0.0.1:${await closedPort()}`;
  const told = async (systems: readonly System[], ...command: string[]) => {
    const { code, stderr } = await owl(systems, ...command, '--server', server);
    t.equal(code, 3, command.join(' '));
    return stderr;
  };
  const talent = `owl: no talent answers at ${server}: start one with \`owl talent --data DIR\`, or name another with --server\n`;
  const node = `owl: no node answers at ${server}: start one with \`owl up\`, or name another with --server\n`;
  t.equal(await told([talentSystem], 'node', 'status'), talent, 'where there is no other');
  t.equal(await told(BOTH, 'node', 'status'), node);
  t.equal(await told(BOTH, 'status'), node);
  t.equal(await told(BOTH, 'plot', 'list'), talent);
  t.equal(await told(BOTH, 'semaphore', 'list', 'gpu'), node);
});
