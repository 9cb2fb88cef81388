/** What a node's processor does for pilots that run long jobs and have nothing to tell: heartbeats, and samples of what runs. */

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { line, whole } from './figures.js';
import { Served } from './workload-node.js';

const PILOTS = 50;
const SLOTS = 8;
/** As many beats of each pilot as a lease has, and what is stored of each once a minute. */
const WATCHED_MS = 60_000;

export async function watchHeartbeats(): Promise<void> {
  const data = mkdtempSync(join(tmpdir(), 'owl-heartbeats-'));
  try {
    const served = await Served.start(data);
    const { client, part } = served;
    const pilots = await Promise.all(
      Array.from({ length: PILOTS }, (_, n) => served.pilot({ name: `p${n}`, slots: SLOTS, isAsleep: true })),
    );
    const task = await served.order(PILOTS * SLOTS);
    while ((await client.task({ id: task })).jobs_running !== PILOTS * SLOTS) await pause(200);
    const told = () => pilots.reduce((sum, { samples }) => sum + samples, 0);
    const [before, toldBefore, began] = [await part.figures(), told(), performance.now()];
    await pause(WATCHED_MS);
    const { cpuSeconds } = await part.figures();
    const share = (cpuSeconds - before.cpuSeconds) / ((performance.now() - began) / 1000);
    line(
      `${PILOTS} pilots with ${SLOTS} jobs that sleep: of a core, for ${WATCHED_MS / 1000} s`,
      `${(share * 100).toFixed(1)} %`,
      `${whole(told() - toldBefore)} samples`,
    );
    await Promise.all(pilots.map((pilot) => pilot.stop()));
    await served.stop();
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
}
