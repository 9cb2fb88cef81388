/** A plotter that prints nothing for long, with a real log and a clock of the test's. */

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { QuietLog } from '../../../../../src/systems/talent/supervisor/plots/quiet-log.js';
import { ManualClock } from '../../../../support/manual-clock.js';

t.test('a silence is said once, and a halted plotter may be silent', async (t) => {
  const path = join(t.testdir({ log: 'one\n' }), 'log');
  const clock = new ManualClock();
  const quiet = new QuietLog(path, clock, 60_000);
  const after = (ms: number, isHalted = false) => {
    clock.advance(ms);
    return quiet.look(isHalted);
  };
  t.equal(after(0), undefined);
  t.equal(after(59_000), undefined);
  t.equal(after(1_000), 4);
  t.equal(after(600_000), undefined, 'once');
  appendFileSync(path, 'two\n');
  t.equal(after(1_000), undefined);
  t.equal(after(600_000, true), undefined);
  t.equal(after(59_000), undefined, 'counted from when it goes on');
  t.equal(after(1_000), 8);
  clock.step(3_600_000);
  t.equal(quiet.look(false), undefined, 'no clock that is set counts');
  t.equal(new QuietLog(path, clock, 0).look(false), undefined);
  const gone = new QuietLog(`${path}.gone`, clock, 1);
  t.equal(gone.look(false), undefined);
});
