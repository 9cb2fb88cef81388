/**
 * All benchmarks that docs/performance.md tells of, side by side in one run: group after group, each by its own program.
 *
 *   npm run bench -- [SECONDS] [ROUNDS] [--rows GROUP,GROUP…]
 *
 * SECONDS and ROUNDS are of each measurement (default 5 and 5); `--rows` takes some of the groups only. With BENCH_PROFILE=DIR talent writes CPU profiles;
 * OWL_TEST_EVENTSTORE names a real EventStoreDB for `fleet`.
 */

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { load, machine } from './machine.js';

const { positionals, values } = parseArgs({ allowPositionals: true, options: { rows: { type: 'string' } } });
const [seconds = '5', rounds = '5'] = positionals;

interface Group {
  readonly what: string;
  readonly program: string;
  readonly args: readonly string[];
}

const GROUPS: Readonly<Record<string, Group>> = {
  embedded: {
    what: 'updates and reports on the embedded store, beside bare grpc-js; bytes of store',
    program: './embedded.js',
    args: [seconds, rounds],
  },
  fleet: {
    what: 'updates, reports and the adapter on EventStoreDB, beside a bare append loop',
    program: './eventstoredb.js',
    args: [seconds, rounds],
  },
  reactors: {
    what: 'the commands of one event, beside the same sent by hand',
    program: './reactor.js',
    args: ['2000', rounds, '0'],
  },
  timers: {
    what: 'timers due at one instant, beside the same commands sent by hand',
    program: './timers.js',
    args: ['4000', rounds],
  },
  actors: {
    what: 'the token set of an actor, and its first command after kill -9',
    program: './actors.js',
    args: [],
  },
};

const chosen = values.rows?.split(',') ?? Object.keys(GROUPS);
for (const name of chosen)
  if (GROUPS[name] === undefined)
    throw new Error(`no rows are called ${name}; there are ${Object.keys(GROUPS).join(', ')}`);

console.log(machine());
for (const name of chosen) {
  const group = GROUPS[name];
  if (group !== undefined) await measure(name, group);
}

async function measure(name: string, { what, program, args }: Group): Promise<void> {
  console.log(`\n== ${name}: ${what} (${load()})`);
  const child = fork(fileURLToPath(new URL(program, import.meta.url)), args);
  const [code] = await once(child, 'exit');
  if (code === 0) return;
  console.error(`the rows of ${name} were not measured: ${program} ended with ${code}`);
  process.exitCode = 1;
}
