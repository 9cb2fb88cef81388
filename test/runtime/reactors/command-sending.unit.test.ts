/** The commands of one event: how many are under way, which wait for which, and which are sent again. */

import t from 'tap';
import { OwlError, StoreUnavailableError } from '../../../src/base/errors.js';
import { sendAll } from '../../../src/runtime/reactors/command-sending.js';
import { Progress } from '../../../src/runtime/reactors/progress.js';
import { commandTo, type ReactorCommand } from '../../../src/runtime/reactors/reactor.js';
import { reactorLimits, SpareCommands } from '../../../src/runtime/reactors/reactor-limits.js';
import { count, counter } from '../support/counter.js';

interface Sent {
  readonly index: number;
  readonly target: string;
  readonly done: (error?: unknown) => void;
}

/** Commands that are under way until the test says how they ended. */
class Sending {
  readonly begun: Sent[] = [];
  readonly underWay = new Set<Sent>();
  readonly progress: Progress;
  mostUnderWay = 0;
  /** Stands for the reactor's stop. */
  stopped = false;

  constructor(progress = new Progress()) {
    this.progress = progress;
  }

  run(
    commands: Iterable<ReactorCommand>,
    mostFailed = Number.POSITIVE_INFINITY,
    spare = new SpareCommands(1_000),
  ): Promise<void> {
    return sendAll(commands, {
      atOnce: 64,
      spare,
      mostFailed,
      progress: this.progress,
      check: () => {
        if (this.stopped) throw new OwlError('unavailable', 'stopped');
      },
      send: ({ id }, index) => this.send(id, index),
      settled: () => undefined,
    });
  }

  /** Ends what is under way, and what begins because of that, as long as there is any. */
  async endAll(how: (sent: Sent) => unknown = () => undefined): Promise<void> {
    while (this.underWay.size > 0) {
      for (const sent of [...this.underWay]) sent.done(how(sent));
      await turn();
    }
  }

  get indices(): number[] {
    return this.begun.map(({ index }) => index);
  }

  private send(target: string, index: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const sent: Sent = {
        index,
        target,
        done: (error) => {
          this.underWay.delete(sent);
          if (error === undefined) resolve();
          else reject(error);
        },
      };
      this.begun.push(sent);
      this.underWay.add(sent);
      this.mostUnderWay = Math.max(this.mostUnderWay, this.underWay.size);
    });
  }
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function* to(...targets: string[]): Generator<ReactorCommand> {
  for (const target of targets) yield commandTo(counter, target, count('once'));
}

const several = (many: number) => Array.from({ length: many }, (_, n) => `c${n}`);

t.test('64 are under way at once, never more, and as many as that again', async (t) => {
  const sending = new Sending();
  const sent = sending.run(to(...several(1000)));
  await turn();
  t.equal(sending.underWay.size, 64);
  sending.begun[7]?.done();
  await turn();
  t.equal(sending.begun.length, 65, 'the place of one that ended is taken by the next, and by it alone');
  await sending.endAll();
  await sent;
  t.equal(sending.begun.length, 1000);
  t.equal(sending.mostUnderWay, 64);
});

t.test('no more is asked for than can be sent', async (t) => {
  let given = 0;
  function* counting() {
    for (const command of to(...several(1000))) {
      given += 1;
      yield command;
    }
  }
  const sending = new Sending();
  const sent = sending.run(counting());
  await turn();
  t.equal(given, 65, 'those under way, and the next one');
  await sending.endAll();
  await sent;
});

t.test('those to one target go out one after another, and hold up no others', async (t) => {
  const sending = new Sending();
  const sent = sending.run(to('a', 'a', 'b', 'a', 'c'));
  await turn();
  t.same(sending.indices, [0, 2, 4]);
  sending.begun[0]?.done();
  await turn();
  t.same(sending.indices, [0, 2, 4, 1]);
  await sending.endAll();
  await sent;
  t.same(sending.indices, [0, 2, 4, 1, 3]);
});

t.test('behind a failure its target waits, the others do not', async (t) => {
  const sending = new Sending();
  const sent = t.rejects(sending.run(to('a', 'b', 'a', 'c', 'a')), /not now/);
  await turn();
  await sending.endAll(({ index }) => (index === 0 ? new OwlError('retryable', 'not now') : undefined));
  await sent;
  t.same(sending.indices, [0, 1, 3]);
  t.equal(sending.progress.settled, 0);

  const again = new Sending(sending.progress);
  const rest = again.run(to('a', 'b', 'a', 'c', 'a'));
  await turn();
  await again.endAll();
  await rest;
  t.same(again.indices, [0, 2, 4], 'what was settled is left out');
  t.equal(again.progress.settled, 5);
});

t.test('while the store is away nothing more is begun', async (t) => {
  const sending = new Sending();
  const sent = t.rejects(sending.run(to(...several(200), 'c0')), StoreUnavailableError);
  await turn();
  sending.begun[3]?.done(new StoreUnavailableError('away', 'refused'));
  await turn();
  t.equal(sending.begun.length, 64);
  await sending.endAll();
  await sent;
  t.equal(sending.begun.length, 64, 'and it ends only when those under way have');
});

t.test('when it is stopped it waits for those under way', async (t) => {
  const sending = new Sending();
  let ended = false;
  const sent = sending.run(to(...several(200))).finally(() => {
    ended = true;
  });
  const stopped = t.rejects(sent, /stopped/);
  await turn();
  sending.stopped = true;
  sending.begun[0]?.done();
  await turn();
  t.equal(sending.begun.length, 64);
  t.notOk(ended);
  await sending.endAll();
  await stopped;
});

t.test('where too many fail, no more are begun until those were sent again', async (t) => {
  const sending = new Sending();
  const sent = t.rejects(sending.run(to(...several(1000)), 100), /not now/);
  await turn();
  await sending.endAll(() => new OwlError('retryable', 'not now'));
  await sent;
  const failed = sending.begun.length;
  t.ok(failed >= 100 && failed < 100 + 64 + 1, `${failed}`);
  const again = new Sending(sending.progress);
  const rest = again.run(to(...several(1000)), 100);
  await turn();
  await again.endAll();
  await rest;
  t.same(
    again.indices,
    Array.from({ length: 1000 }, (_, n) => n),
  );
});

t.test('progress knows the first that is not settled, and no more than it must', async (t) => {
  const progress = new Progress(3);
  t.notOk(progress.take(2));
  for (const index of [3, 4, 5]) t.ok(progress.take(index));
  progress.settle(4);
  t.equal(progress.settled, 3);
  progress.settle(3);
  t.equal(progress.settled, 5);
  t.notOk(progress.take(3));
  t.ok(progress.take(5), 'what has failed is to be sent again');
});

t.test('beyond one each they share what is spare, and give all of it back', async (t) => {
  const spare = new SpareCommands(9);
  const one = new Sending();
  const other = new Sending();
  const first = one.run(to(...several(20)), undefined, spare);
  await turn();
  t.equal(one.underWay.size, 10);
  const second = t.rejects(other.run(to(...several(20)), undefined, spare), { message: 'stopped' });
  await turn();
  t.equal(other.underWay.size, 1, 'one can always be sent');
  await one.endAll();
  await first;
  for (const sent of other.underWay) sent.done();
  await turn();
  t.equal(other.underWay.size, 10, 'what is spare again the other takes');
  other.stopped = true;
  await other.endAll();
  await second;

  const last = new Sending();
  const third = last.run(to(...several(30)), undefined, spare);
  await turn();
  t.equal(last.underWay.size, 10);
  await last.endAll();
  await third;
});

t.test('all reactors of a node together leave half of the live actors to others', async (t) => {
  for (const [reactors, live] of [
    [0, 20_000],
    [1, 20_000],
    [20, 20_000],
    [100, 20_000],
    [3, 40],
  ] as const) {
    const { streams, spare } = reactorLimits(reactors, live);
    let extra = 0;
    for (; spare.areThere; extra++) spare.take();
    t.ok(streams >= 1 && reactors * streams + extra <= live / 2, `${reactors} of ${live}`);
  }
});

t.test('everything else has its turn among commands that wait for nothing', async (t) => {
  const turns: number[] = [];
  let sent = 0;
  let isOver = false;
  const look = (): void => {
    turns.push(sent);
    if (!isOver) setImmediate(look);
  };
  setImmediate(look);
  await sendAll(to(...several(1_000)), {
    ...{ atOnce: 64, spare: new SpareCommands(1_000), progress: new Progress() },
    ...{ mostFailed: Number.POSITIVE_INFINITY, check: () => undefined, settled: () => undefined },
    send: async () => void sent++,
  });
  isOver = true;
  const most = Math.max(...turns.map((at, n) => at - (turns[n - 1] ?? 0)));
  t.ok(most <= 64, `${most} in one turn`);
});
