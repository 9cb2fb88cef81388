/** What a benchmark runs on: figures of two machines, or of a busy and an idle one, do not compare. */

import { cpus, loadavg, release, totalmem, type } from 'node:os';

export function machine(): string {
  const processors = cpus();
  const gibibytes = Math.round(totalmem() / 2 ** 30);
  const what = `${processors[0]?.model.trim() ?? 'unknown processor'}, ${processors.length} cores, ${gibibytes} GiB`;
  return `${what}; ${type()} ${release()}, Node ${process.version}; ${load()}`;
}

/** How busy it is, with what else runs on it. */
export function load(): string {
  const [one = 0, five = 0, fifteen = 0] = loadavg();
  return `load ${one.toFixed(2)} ${five.toFixed(2)} ${fifteen.toFixed(2)}`;
}
