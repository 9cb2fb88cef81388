/** Two nodes on one store: behind the answer that a switch is off nothing of what it forbids stands in the log, whoever was asked. */

import t, { type Test } from 'tap';
import { workload } from '../../../../../projections/workload/workload.js';
import { delegating } from '../../../../../src/runtime/event-store/delegating-store.js';
import {
  type EventStore,
  type Position,
  type RecordedEvent,
  START,
} from '../../../../../src/runtime/event-store/event-store.js';
import { EmbeddedQueue } from '../../../../../src/systems/workload/service/jobs/embedded-queue.js';
import { executor } from '../../../../../src/systems/workload/service/jobs/executor.js';
import { JobQueries } from '../../../../../src/systems/workload/service/jobs/job-queries.js';
import { Offers } from '../../../../../src/systems/workload/service/jobs/offers.js';
import { openStore, startNode as startStore } from '../../../../support/eventstoredb-stores.js';
import { until } from '../../../../support/until.js';
import { Dice } from '../../../../torture/dice.js';
import { SEED } from '../../support/cancel-rounds.js';
import { InnerPilot } from '../../support/inner-pilot.js';
import {
  addFiles,
  inputOf,
  refusalOf,
  submit,
  type TaskNode,
  taskNode,
  untilJobs,
} from '../tasks/task-world.js';

/** Two nodes and their store are in this process, and leases of 10 s run out: on a busy machine all of it takes its time. */
const LONGEST_MS = 120_000;

/** A store in front of which some events wait, or nothing comes through any more. */
class Gate {
  isGone = false;
  held = 0;
  private readonly type: string;
  private goOn: () => void = () => undefined;
  private going: Promise<void> = Promise.resolve();

  constructor(type: string) {
    this.type = type;
  }

  hold(): void {
    this.going = new Promise((resolve) => {
      this.goOn = resolve;
    });
  }

  release(): void {
    this.goOn();
  }

  before(store: EventStore): EventStore {
    return delegating(store, {
      append: async (...parameters) => {
        if (this.isGone) throw new Error('the node is cut off');
        if (parameters[2].some(({ type }) => type === this.type)) {
          this.held += 1;
          await this.going;
          this.held -= 1;
        }
        return await store.append(...parameters);
      },
    });
  }
}

interface World {
  readonly nodes: readonly TaskNode[];
  readonly gates: readonly Gate[];
  readonly store: EventStore;
}

async function worldOf(
  t: Test,
  holds: string,
  open: (node: TaskNode) => void = () => undefined,
): Promise<World> {
  t.testdir();
  const double = await startStore(t);
  const gates = [new Gate(holds), new Gate(holds)];
  t.teardown(() => {
    for (const gate of gates) gate.release();
  });
  const nodes: TaskNode[] = [];
  for (const [n, gate] of gates.entries()) {
    const node = await taskNode(t, gate.before(await openStore(t, double)), { name: `n${n}`, shared: true });
    open(node);
    nodes.push(node);
  }
  return { nodes, gates, store: await openStore(t, double) };
}

const [first, second] = [0, 1];
const at = <T>(list: readonly T[], n: number): T => {
  const found = list[n];
  if (found === undefined) throw new Error(`there is no ${n}`);
  return found;
};

const switchTo = (node: TaskNode, name: string, enabled: boolean, more: object = {}) =>
  node.ask('switch_set', { switch: name, enabled, ...more });

/** The node that runs what the switch forbids, and the other one. */
async function runnerOf(nodes: readonly TaskNode[], name: string): Promise<[runs: number, other: number]> {
  let found: number | undefined;
  await until(`one runs the ${name}`, () => {
    const loops = nodes.map((node) =>
      node.runtime.status().loops.find((loop) => loop.name === `workload-${name}`),
    );
    found = loops.findIndex((loop) => loop?.state === 'resting' || loop?.state === 'running');
    return found >= 0;
  });
  return found === first ? [first, second] : [second, first];
}

async function logOf(store: EventStore): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for await (const event of store.readAll({ categories: ['wl_switch', 'wl_task', 'wl_job'] }))
    events.push(event);
  return events;
}

/** What stands behind one place in the log, and before the next time that something is switched on. */
function behind(log: readonly RecordedEvent[], answered: Position): string[] {
  const types: string[] = [];
  for (const { type, position } of log) {
    if (position <= answered) continue;
    if (type === 'SwitchedOn') break;
    types.push(type);
  }
  return types;
}

t.test('the chunk of the other node is waited for', async (t) => {
  const { nodes, gates, store } = await worldOf(t, 'TaskJobsPlanned');
  const [runs, other] = await runnerOf(nodes, 'splitter');
  const [asked, gate] = [at(nodes, other), at(gates, runs)];
  const input = await inputOf(asked, 3);
  gate.hold();
  const task = await submit(asked, input);
  await until('its chunk is about to be stored', () => gate.held === 1);
  let isAnswered = false;
  const off = switchTo(asked, 'splitter', false, { reason: 'moved' }).then((answer) => {
    isAnswered = true;
    return answer;
  });
  await until('it is switched off', async () => {
    const { enabled } = await asked.ask('switch_status', { switch: 'splitter' });
    return enabled === false;
  });
  t.match(await at(nodes, runs).ask('switch_status', { switch: 'splitter' }), {
    enabled: false,
    ending: true,
  });
  t.notOk(isAnswered);
  gate.release();
  t.match(await off, { enabled: false, ending: false, reason: 'moved' });
  const answered = await store.head();
  await submit(asked, await inputOf(asked, 2));
  await untilJobs(asked, task, 3);
  await switchTo(at(nodes, runs), 'splitter', true);
  const log = await logOf(store);
  t.ok(log.some(({ type, position }) => type === 'TaskJobsPlanned' && position <= answered));
  t.notOk(behind(log, answered).includes('TaskJobsPlanned'));
});

t.test('a node that is cut off keeps no answer for longer than its lease', async (t) => {
  const { nodes, gates, store } = await worldOf(t, 'none');
  const [runs, other] = await runnerOf(nodes, 'splitter');
  at(gates, runs).isGone = true;
  const asked = at(nodes, other);
  await switchTo(asked, 'splitter', false);
  const answered = await store.head();
  await submit(asked, await inputOf(asked, 2));
  at(gates, runs).isGone = false;
  await switchTo(asked, 'splitter', true);
  await until('it goes on', async () => (await logOf(store)).some(({ type }) => type === 'TaskJobsPlanned'));
  t.notOk(behind(await logOf(store), answered).includes('TaskJobsPlanned'));
});

t.test(`off and on again and again, on either node, seed ${SEED}`, async (t) => {
  const ROUNDS = 6;
  const { nodes, store } = await worldOf(t, 'none');
  const dice = new Dice(SEED);
  const [a, b] = [at(nodes, first), at(nodes, second)];
  const input = await inputOf(a, 2, { sealed: false });
  const task = await submit(b, input);
  const answers: Position[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    const work = [submit(dice.pick(nodes), input), addFiles(dice.pick(nodes), input, round * 2, 2)];
    await switchTo(dice.pick(nodes), 'splitter', false);
    answers.push(await store.head());
    await Promise.all(work);
    await switchTo(dice.pick(nodes), 'splitter', true);
  }
  const all = 2 * (ROUNDS + 1);
  await until(
    'all is split',
    async () => {
      const { planned } = await a.row(`SELECT min(jobs_total) AS planned FROM task_dat`);
      return planned === all;
    },
    LONGEST_MS,
  );
  const log = await logOf(store);
  for (const answered of answers) t.notOk(behind(log, answered).includes('TaskJobsPlanned'));
  t.equal(
    log.filter(({ type }) => type === 'JobCreated').length,
    all * (ROUNDS + 1),
    'each file is in one job of each',
  );
  t.match(await b.ask('task_status', { id: task }), { jobs_total: all });
});

/** A node queues what pilots can take, as the service has it. */
function queues({ runtime, context }: TaskNode): void {
  const queries = new JobQueries(context.db);
  const offers = new Offers(queries, { memoryOf: () => undefined });
  const queue = new EmbeddedQueue(queries, offers, context.clock, context.logger);
  runtime.onApplied(workload.name, (events) => {
    offers.observe(events);
    queue.observe(events);
  });
  runtime.startLoops([executor({ context, queries, offers, queue, readModel: workload.name })]);
}

t.test('a grant that the other node was about to store comes before the answer or not at all', async (t) => {
  const { nodes, gates, store } = await worldOf(t, 'JobClaimed', queues);
  const [runs, other] = await runnerOf(nodes, 'executor');
  const [asked, gate] = [at(nodes, runs), at(gates, other)];
  const pilot = await new InnerPilot(at(nodes, other).context, 'p1').attach();
  await submit(asked, await inputOf(asked, 1));
  const queued = "SELECT id FROM job_dat WHERE state = 'queued'";
  await until('its job is queued', async () => (await asked.rows(queued)).length === 1);
  const uid = String((await asked.row(queued))['id']);
  gate.hold();
  const claim = pilot.claim(uid);
  await until('it is about to be granted', () => gate.held === 1);
  await switchTo(asked, 'executor', false, { strict: true });
  const answered = await store.head();
  gate.release();
  t.match(await refusalOf(claim), { reason: 'disabled' });
  t.notOk(behind(await logOf(store), answered).includes('JobClaimed'));
  await switchTo(asked, 'executor', true);
  await until('it is granted', async () => pilot.claim(uid).then(Boolean, () => false));
});

for (const strict of [false, true])
  t.test(`the executor, ${strict ? 'strictly' : 'not strictly'}, on either node, seed ${SEED}`, async (t) => {
    const ROUNDS = 4;
    const JOBS = 4;
    const forbidden = strict ? ['JobQueued', 'JobClaimed'] : ['JobQueued'];
    const { nodes, store } = await worldOf(t, 'none', queues);
    const dice = new Dice(SEED);
    const pilots: InnerPilot[] = [];
    for (const [n, node] of nodes.entries())
      pilots.push(await new InnerPilot(node.context, `p${n}`).attach());
    const input = await inputOf(at(nodes, first), JOBS);
    const answers: Position[] = [];
    const granted = new Set<string>();
    const take = async () => {
      for (const { id } of await at(nodes, first).rows(
        "SELECT id FROM job_dat WHERE state IN ('created', 'queued')",
      ))
        await dice
          .pick(pilots)
          .claim(String(id))
          .then(
            ({ job }) => granted.add(job),
            () => undefined,
          );
    };
    for (let round = 0; round < ROUNDS; round++) {
      const task = await submit(dice.pick(nodes), input);
      await untilJobs(at(nodes, first), task, JOBS);
      const work = [take(), take()];
      await switchTo(dice.pick(nodes), 'executor', false, { strict });
      answers.push(await store.head());
      await Promise.all(work);
      await switchTo(dice.pick(nodes), 'executor', true);
    }
    await until(
      'all are granted',
      async () => {
        await take();
        return granted.size === JOBS * ROUNDS;
      },
      LONGEST_MS,
    );
    const log = await logOf(store);
    for (const answered of answers)
      for (const type of forbidden)
        t.notOk(behind(log, answered).includes(type), `${type} behind ${answered}`);
    t.equal(log.filter(({ type }) => type === 'JobClaimed').length, JOBS * ROUNDS, 'each is granted once');
    t.ok(answers.every((answered) => answered > START));
  });
