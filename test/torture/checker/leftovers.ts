/**
 * What nobody needs once everything has ended in order: processes that carry the mark of the run, and files that are no lock, key,
 * log or store. Shares nothing with the product and the other tests.
 */

import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';

/** What may stay in the data directory of a node or supervisor. */
const STAYS: ReadonlySet<string> = new Set([
  ...[
    'owl.db',
    'read-models.db',
    'worker-id',
    'report.key',
    'plots',
    'logs',
    'drain',
    'keeper.log',
    'places.json',
  ],
  ...['owl.lock', 'supervisor.lock', 'log-receiver.lock', 'keeper.lock'],
  ...['access.json', 'access.lock', 'local-token', 'listening'],
]);

export interface LivingProcess {
  readonly pid: number;
  readonly command: string;
}

/** Every living process but this one whose command line, environment or working directory names the mark. */
export function processesWith(mark: string): LivingProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const command = readable(() => readFileSync(`/proc/${name}/cmdline`, 'utf8'));
    const texts = [
      command,
      readable(() => readFileSync(`/proc/${name}/environ`, 'utf8')),
      readable(() => readlinkSync(`/proc/${name}/cwd`)),
    ];
    const state = readable(() => readFileSync(`/proc/${name}/stat`, 'utf8'))
      .replace(/^.*\) /s, '')
      .charAt(0);
    if (!texts.some((text) => text.includes(mark)) || state === 'Z' || state === 'X' || state === '')
      return [];
    return [{ pid, command: command.replaceAll('\0', ' ').trim() }];
  });
}

/** Files in a data directory that nobody needs. */
export function filesLeftIn(data: string): string[] {
  return [
    ...namesIn(data).filter((name) => !STAYS.has(name)),
    ...namesIn(join(data, 'plots')).map((name) => `plots/${name}`),
  ];
}

/** Temp files of plots. */
export function tempFilesIn(directory: string): string[] {
  return namesIn(directory).filter((name) => name.endsWith('tmp'));
}

function namesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : [];
}

/** Nothing of a process that has ended meanwhile, or is another user's. */
function readable(look: () => string): string {
  try {
    return look();
  } catch {
    return '';
  }
}
