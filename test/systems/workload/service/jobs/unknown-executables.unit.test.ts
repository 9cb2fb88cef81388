/** Jobs that no pilot offers to run: how many of them fail, and when. */

import { pino } from 'pino';
import t from 'tap';
import { UnknownExecutables } from '../../../../../src/systems/workload/service/jobs/unknown-executables.js';
import { LeftOut } from '../../../../../src/systems/workload/service/left-out.js';

const AFTER_SECONDS = 600;
const NOW = 1_000_000_000;

t.test('more than a batch fail one batch after another, without the pauses between looks', async (t) => {
  const waiting = new Set(Array.from({ length: 250 }, (_, n) => `j${n}`));
  let at = 0;
  const unknown = new UnknownExecutables({
    clock: { monotonic: () => at },
    afterSeconds: AFTER_SECONDS,
    leftOut: new LeftOut(pino({ level: 'silent' }), 'executor'),
    queries: {
      unknownExecutables: () => (waiting.size === 0 ? [] : [{ device: 'cpu', executable: 'srot' }]),
      createdOf: (_device, _executable, _times, most) =>
        [...waiting].slice(0, most).map((uid) => ({ uid, revision: 0 })),
    },
    system: {
      execute: (_type, uid) => {
        waiting.delete(uid);
        return Promise.resolve(undefined as never);
      },
    },
  });
  await unknown.look(NOW);
  t.equal(waiting.size, 250, 'it is looked at for the first time');
  at += AFTER_SECONDS * 1000;
  const next = await unknown.look(NOW);
  t.equal(waiting.size, 150);
  const pause = (next ?? Number.NaN) - NOW;
  t.ok(pause <= 100, `${pause} ms`);
  at += pause;
  await unknown.look(NOW);
  t.equal(waiting.size, 50);
  at += pause;
  t.ok(((await unknown.look(NOW)) ?? 0) - NOW > 1_000, 'now there is time');
  t.equal(waiting.size, 0);
});
