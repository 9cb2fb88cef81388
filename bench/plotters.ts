/**
 * What a supervisor costs that has many plotters at work: a whole node with so many players of a recorded log, and the
 * processor time and memory of its supervisor, keeper, log receiver and talent over some seconds, read from /proc (Linux).
 *
 *   npm run bench:plotters -- [PLOTTERS] [SECONDS]
 */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { stringify } from 'yaml';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../src/base/package-root.js';
import { PlotManagerClient } from '../src/systems/talent/wire/plot-manager-client.js';

const [plotters = 200, seconds = 20] = process.argv.slice(2).map(Number);
/** The players play for so long, so that all of them are at work while it is measured. */
const PLAY_SECONDS = 900;
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;
const PARTS: readonly (readonly [part: string, command: RegExp])[] = [
  ['plotters (players)', /player\.js/],
  ['log receiver', /log-receiver/],
  ['keeper', /keeper-main/],
  ['supervisor', /owl\.js supervisor/],
  ['talent', /owl\.js talent/],
];
const Serving = z.object({ address: z.string() });

// Ended halfway, it clears away as at the end: players would go on for long.
const interrupted = new AbortController();
for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => interrupted.abort());
const { signal } = interrupted;

const folder = mkdtempSync(join(tmpdir(), 'owl-plotters-'));
for (const name of ['cache', 'plots']) mkdirSync(join(folder, name));
writeFileSync(join(folder, 'owl.yaml'), stringify(configuration()));
const up = spawn(
  process.execPath,
  [join(PACKAGE_ROOT, 'dist/src/owl.js'), 'up', '--json', '--listen', '127.0.0.1:0'],
  {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
  },
);
try {
  const [line]: Buffer[] = await once(up.stdout, 'data', { signal });
  const talent = new PlotManagerClient({ server: Serving.parse(JSON.parse(String(line))).address });
  for (let n = 0; n < plotters && !signal.aborted; n++) await order(talent, `plot-${n}`);
  while ((await running(talent)) < plotters) await pause(500, undefined, { signal });
  const before = usage();
  await pause(seconds * 1000, undefined, { signal });
  const after = usage();
  talent.close();
  console.log(`${plotters} plotters at work, ${seconds} s`);
  for (const [part, { cpuSeconds, bytes }] of after) {
    const cpu = ((cpuSeconds - (before.get(part)?.cpuSeconds ?? 0)) / seconds) * 100;
    console.log(
      `${part.padEnd(20)} ${cpu.toFixed(1).padStart(6)} % of a core  ${Math.round(bytes / 2 ** 20)} MiB resident`,
    );
  }
} finally {
  up.kill('SIGTERM');
  if (up.exitCode === null) await once(up, 'exit');
  for (const { pid } of processes()) process.kill(pid, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function order(talent: PlotManagerClient, taskId: string): Promise<void> {
  const { is_success = false, msg } = await talent.create({
    task_id: taskId,
    plot_config: {
      ksize: 18,
      threads: 2,
      buffer: 64,
      cache1: join(folder, 'cache'),
      dest: { type: 'local', path: join(folder, 'plots') },
    },
  });
  if (!is_success) throw new Error(msg);
}

async function running(talent: PlotManagerClient): Promise<number> {
  let count = 0;
  for await (const page of talent.pages({ statuses: ['running'] })) count += page.length;
  return count;
}

/** By part: processor time since its start, and memory. */
function usage(): Map<string, { cpuSeconds: number; bytes: number }> {
  const parts = new Map<string, { cpuSeconds: number; bytes: number }>();
  for (const { pid, command } of processes()) {
    const part = PARTS.find(([, pattern]) => pattern.test(command))?.[0] ?? 'owl up';
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    const [user = 0, system = 0] = fields.slice(11, 13).map(Number);
    const known = parts.get(part) ?? { cpuSeconds: 0, bytes: 0 };
    parts.set(part, {
      cpuSeconds: known.cpuSeconds + (user + system) / TICKS_PER_SECOND,
      bytes: known.bytes + Number(fields[21] ?? 0) * PAGE_BYTES,
    });
  }
  return parts;
}

/** The processes of this node: those that work in its folder or name it. */
function processes(): { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return command.includes(folder) || pid === up.pid ? [{ pid, command }] : [];
    } catch {
      // It has ended since the folder was read.
      return [];
    }
  });
}

function configuration(): object {
  return {
    data: 'node',
    log: { level: 'warn' },
    supervisor: { plotter: 'player', max_plots: plotters, max_per_cache: plotters },
    plotters: {
      player: {
        argv: [
          ...[
            '{node}',
            '{player}',
            '--log',
            join(PACKAGE_ROOT, 'test/fixtures/plotter-logs/chiapos-2-k18.log'),
          ],
          ...['--seconds', String(PLAY_SECONDS), '-t', '{cache1}', '-2', '{cache2}', '-d', '{dest}'],
          ...['-f', '{file_name}', '-i', '{plot_id}'],
        ],
        format: 'chiapos',
        temp: ['plot-k{ksize}-*{plot_id}.plot.*tmp'],
        fills: [],
      },
    },
  };
}
