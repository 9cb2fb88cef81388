/** A real talent on a free port for tests, that can be stopped and started again at the same address with the same data. */

import { pino } from 'pino';
import type { Clock } from '../../src/base/clock.js';
import { loadTalentConfig, startTalent, type Talent } from './start-talent.js';

export interface RunningTalent {
  /** HOST:PORT; stays the same over restarts. */
  readonly address: string;
  readonly workerId: string;
  /** Of its first start; undefined where it answers no HTTP. */
  readonly httpAddress?: string | undefined;
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** @param data directory whose parent exists */
export async function runTalent(
  data: string,
  flags: Readonly<Record<string, string>> = {},
  more: { readonly clock?: Clock } = {},
): Promise<RunningTalent> {
  const logger = pino({ level: 'silent' });
  const startAt = (listen: string): Promise<Talent> => {
    const config = loadTalentConfig({ env: {}, cwd: '/', flags: { ...flags, data, listen } });
    return startTalent({ config, logger, ...more });
  };
  let talent: Talent | undefined = await startAt('127.0.0.1:0');
  const { address, workerId, httpAddress } = talent;
  return {
    ...{ address, workerId, httpAddress },
    async stop() {
      await talent?.stop();
      talent = undefined;
    },
    async start() {
      talent ??= await startAt(address);
    },
  };
}
