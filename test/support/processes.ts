/** Processes as tests look for them: by what their command line, their environment or their working directory names. */

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { identifyProcess } from '../../src/base/process-identity.js';

export interface FoundProcess {
  readonly pid: number;
  readonly command: string;
}

/** Every living process but this one that has to do with a path. */
export function processesOf(path: string): FoundProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const texts = [
      read(() => readFileSync(`/proc/${name}/cmdline`, 'utf8')),
      read(() => readFileSync(`/proc/${name}/environ`, 'utf8')),
      read(() => readlinkSync(`/proc/${name}/cwd`)),
    ];
    if (!texts.some((text) => text.includes(path)) || identifyProcess(pid) === undefined) return [];
    return { pid, command: texts[0]?.replaceAll('\0', ' ').trim() ?? '' };
  });
}

/** Nothing of a process that has ended, or is another user's. */
function read(look: () => string): string {
  try {
    return look();
  } catch {
    return '';
  }
}
