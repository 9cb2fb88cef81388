/** What real processes take, and that one which has ended takes nothing and is no failure. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pino } from 'pino';
import t from 'tap';
import { UsageMeter } from '../../src/processes/usage.js';
import { wakingClock as clock } from '../support/waking-clock.js';

t.test('who has ended since is left out, also when nobody else is there', async (t) => {
  const child = spawn(process.execPath, ['-e', ''], { stdio: 'ignore' });
  const { pid = 0 } = child;
  await once(child, 'exit');
  let pids = [pid];
  const { signal } = new AbortController();
  const meter = new UsageMeter({ pids: () => pids, clock, signal, logger: pino({ level: 'silent' }) });
  await meter.measure();
  t.equal(meter.of(pid), undefined);
  pids = [pid, process.pid];
  await meter.measure();
  t.equal(meter.of(pid), undefined);
  t.match(meter.of(process.pid), { cpu: undefined, memory: Number }, 'nothing to compare with yet');
  await meter.measure();
  t.match(meter.of(process.pid), { cpu: Number, memory: Number });
  pids = [];
  await meter.measure();
  t.equal(meter.of(process.pid), undefined, 'who is not asked for is not remembered');
});
