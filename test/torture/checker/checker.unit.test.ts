/** The checker of the torture finds every kind of violation when it is planted, and nothing where there is none. */

import t, { type Test } from 'tap';
import { checkCommands } from './check-commands.js';
import { checkHistory } from './check-history.js';
import { checkTable } from './check-tables.js';
import type { Row } from './sqlite-files.js';
import type { Found, StoredEvent, Value } from './stored-event.js';
import type { Shown, Told, ToldOrder, ToldReport, ToldSession } from './told.js';
import { Violations } from './violations.js';

const ASKED = '0123456789abcdef0123';
const TIME = 1_700_000_000_000;

interface Planted {
  readonly events?: readonly Found[];
  readonly commands?: readonly (ToldOrder | ToldReport)[];
  readonly sessions?: readonly ToldSession[];
  readonly shown?: readonly Shown[];
  readonly poisoned?: ReadonlyMap<string, number>;
  /** Changes the rows that the events make. */
  readonly rows?: (rows: Row[]) => Row[];
}

/** `<rule>: <what>` of all that is found. */
async function foundIn(planted: Planted): Promise<string[]> {
  const { events = LIFE, rows = (same) => same } = planted;
  const told: Told = {
    commands: planted.commands ?? COMMANDS,
    sessions: planted.sessions ?? [],
    shown: planted.shown ?? [],
    poisoned: planted.poisoned ?? new Map(),
  };
  const violations = new Violations();
  const history = await checkHistory(events, told, violations);
  checkCommands(told, history, violations);
  for (const [name, key, expected] of [
    ['plot_tasks', 'task_id', history.tasks],
    ['supervisors', 'worker_id', history.supervisors],
  ] as const)
    checkTable({ name, key, expected, rows: rows([...expected.values()]), except: () => false }, violations);
  return violations.list.map(({ rule, what }) => `${rule}: ${what}`);
}

async function finds(t: Test, expected: RegExp, planted: Planted): Promise<void> {
  const found = await foundIn(planted);
  t.ok(
    found.some((line) => expected.test(line)),
    `${expected} is found`,
    { found },
  );
}

let position = 0n;

function event(
  type: string,
  revision: number,
  data: Readonly<Record<string, Value>> = {},
  more: Partial<StoredEvent> = {},
): StoredEvent {
  position += 1n;
  return {
    ...{ stream: 'plot_task-a', revision, position, id: `id-${position}`, type, data, time: TIME + revision },
    ...{ commandId: undefined, asked: undefined },
    ...more,
  };
}

const named = (commandId: string, name?: string) => ({
  commandId,
  asked: name === undefined ? undefined : `${name}/${ASKED}`,
});

const ORDER = {
  ...{ task_id: 'a', worker_id: 'w', ksize: 32, threads: 4, buffer: 4096, cache1: '/c', cache2: '/c' },
  ...{ dest_type: 'nfs', dest_path: '/d', received_time: 1 },
};

/** One task from its order to the next attempt, and one supervisor. */
const LIFE: readonly StoredEvent[] = [
  event('PlotTaskReceived', 0, ORDER, named('c', 'create')),
  event('PlotTaskPending', 1, { pending_time: 2, remarks: 'waits' }),
  event('PlotTaskStarted', 2, { started_time: 3, plot_pid: 7, remarks: '' }),
  event('PlotTaskRunning', 3, { running_time: 4, p1_stage: 'computing', log_offset: 10 }, named('r1')),
  event(
    'PlotTaskReported',
    4,
    { progress: 10, log_offset: 20, p2_t1_scan_time: 2, p2_t1_scan_cpu: 50 },
    named('r2'),
  ),
  event('PlotTaskSupervisorLost', 5, { remarks: 'lost', lost_time: 5, fail_at: 9 }),
  event('PlotTaskSupervisorReturned', 6, { remarks: '' }),
  event('PlotTaskStopRequested', 7, { remarks: 'sold' }, named('s', 'stop')),
  event('OrderAccepted', 8, {}, named('s2', 'stop')),
  event('PlotTaskStopped', 9, { exit_code: 0 }),
  event(
    'PlotTaskRetried',
    10,
    { attempt: 2, received_time: 6, ksize: 32, threads: 4, buffer: 4096 },
    named('t', 'retry'),
  ),
  event(
    'SupervisorAttached',
    0,
    { worker_id: 'w', session_id: 's', lease_seconds: 30, attached_time: 1 },
    { stream: 'supervisor-w' },
  ),
  event('SupervisorLost', 1, { worker_id: 'w', session_id: 's', lost_time: 2 }, { stream: 'supervisor-w' }),
];

const order = (
  commandId: string,
  name: ToldOrder['name'],
  accepted: number[],
  refused: string[] = [],
  copies = 1,
): ToldOrder => ({
  ...{ kind: 'order', commandId, name, task: 'a', accepted, refused, copies },
});
const report = (commandId: string, logOffset: number, revision: number, recorded: boolean): ToldReport => ({
  ...{ kind: 'report', commandId, task: 'a', attempt: 1, logOffset, accepted: [{ revision, recorded }] },
});

const COMMANDS = [
  order('c', 'create', [0, 0]),
  order('s', 'stop', [7]),
  order('s2', 'stop', [8]),
  order('t', 'retry', [10]),
  order('never', 'retry', [], ['task a is running']),
  report('r1', 10, 3, true),
  report('r2', 20, 4, true),
  report('r3', 15, 4, false),
];

const instead = (revision: number, change: Partial<StoredEvent>): StoredEvent[] =>
  LIFE.map((known) =>
    known.stream === 'plot_task-a' && known.revision === revision ? { ...known, ...change } : known,
  );
const without = (revision: number) => LIFE.filter((known) => known.revision !== revision);
const shown = (revision: number, change: Partial<Shown> = {}): Shown => ({
  ...{ task: 'a', revision, status: 'running', attempt: 1, progress: 10, ...change },
});

t.test('a run in which nothing is wrong', async (t) => {
  t.same(
    await foundIn({ shown: [shown(4)], sessions: [{ worker: 'w', session: 's', told: 'attached' }] }),
    [],
  );
});

t.test('an acknowledged order that is missing, elsewhere, twice or another one', async (t) => {
  await finds(t, /acknowledged-once: stop accepted at revision 99, and not stored/, {
    commands: [...COMMANDS, order('gone', 'stop', [99])],
  });
  await finds(t, /acknowledged-once: stop accepted at revision 6, and stored at 7/, {
    commands: COMMANDS.map((known) => (known.commandId === 's' ? order('s', 'stop', [6]) : known)),
  });
  await finds(t, /acknowledged-once: stored again: OrderAccepted at revision 11/, {
    events: [...LIFE, event('OrderAccepted', 11, {}, named('s', 'stop'))],
  });
  await finds(t, /acknowledged-once: retry became PlotTaskStopRequested/, {
    commands: COMMANDS.map((known) => (known.commandId === 's' ? order('s', 'retry', [7]) : known)),
  });
  await finds(t, /acknowledged-once: stop is remembered as undefined/, {
    events: instead(7, { asked: undefined }),
  });
});

t.test('answers that differ, and a refused order that is stored', async (t) => {
  await finds(t, /answered-alike: answered with revisions 7, 8/, {
    commands: COMMANDS.map((known) => (known.commandId === 's' ? order('s', 'stop', [7, 8]) : known)),
  });
  await finds(t, /answered-alike: accepted at revision 7, and refused: no/, {
    commands: COMMANDS.map((known) => (known.commandId === 's' ? order('s', 'stop', [7], ['no']) : known)),
  });
  await finds(t, /refused-not-stored: refused \(no\), and stored at revision 7/, {
    commands: COMMANDS.map((known) => (known.commandId === 's' ? order('s', 'stop', [], ['no']) : known)),
  });
});

t.test('of several copies of an order that are under way at once, one may be refused', async (t) => {
  const several = order('s', 'stop', [7], ['no'], 2);
  const commands = COMMANDS.map((known) => (known.commandId === 's' ? several : known));
  t.same(await foundIn({ commands }), []);
});

t.test('an order that nobody gave', async (t) => {
  await finds(t, /nobody-ordered: PlotTaskStopRequested/, {
    commands: COMMANDS.filter(({ commandId }) => commandId !== 's'),
  });
});

t.test('a report that was recorded and is not there, and one that was not known', async (t) => {
  await finds(t, /acknowledged-once: recorded at revision 4, and stored at none/, {
    commands: [...COMMANDS, report('gone', 20, 4, true)],
  });
  await finds(t, /acknowledged-once: nothing new at revision 4, where offset 30 of attempt 1 was not known/, {
    commands: [...COMMANDS, report('ahead', 30, 4, false)],
  });
  await finds(t, /acknowledged-once: nothing new at revision 99, which is not stored/, {
    commands: [...COMMANDS, report('ahead', 30, 99, false)],
  });
});

t.test('a session that was told something that no event says', async (t) => {
  await finds(t, /acknowledged-once: told detached, and no event says so/, {
    sessions: [{ worker: 'w', session: 's', told: 'detached' }],
  });
});

t.test('holes, positions that go back, ids that come twice', async (t) => {
  await finds(t, /revision-holes: revision 2 follows 0/, { events: without(1) });
  await finds(t, /positions-grow: position 1 follows \d+/, { events: instead(5, { position: 1n }) });
  const [first] = LIFE;
  await finds(t, /event-ids: .* again at revision 5/, { events: instead(5, { id: first?.id ?? '' }) });
});

t.test('transitions that the documents do not have', async (t) => {
  for (const [revision, type, expected] of [
    [0, 'PlotTaskPending', /PlotTaskPending of a task that is nothing/],
    [1, 'PlotTaskStarted', /PlotTaskStarted of a task that is received/],
    [5, 'PlotTaskSupervisorReturned', /PlotTaskSupervisorReturned of a task that was not lost/],
    [9, 'PlotTaskRetried', /PlotTaskRetried of a task that is stopping/],
    [9, 'Surprise', /Surprise is no event of a plot task/],
  ] as const)
    await finds(t, expected, { events: instead(revision, { type }) });
  await finds(t, /attempt 3 follows attempt 1/, {
    events: instead(10, { data: { attempt: 3, received_time: 6 } }),
  });
  const late = event('PlotTaskReported', 10, { progress: 3 });
  await finds(t, /PlotTaskReported of a task that is stopped/, {
    events: [...LIFE.slice(0, 10), late],
    commands: [],
  });
  const supervisor = (type: string, session_id: string) =>
    event(type, 2, { worker_id: 'w', session_id }, { stream: 'supervisor-w' });
  await finds(t, /SupervisorLost of a supervisor that is lost/, {
    events: [...LIFE, supervisor('SupervisorLost', 's')],
  });
  await finds(t, /SupervisorReturned of session x while s holds the lease/, {
    events: [...LIFE, supervisor('SupervisorReturned', 'x')],
  });
});

t.test('rows that are not what the events make', async (t) => {
  const changed = (key: string, column: string, value: Value) => (rows: Row[]) =>
    rows.map((row) =>
      row['task_id'] === key || row['worker_id'] === key ? { ...row, [column]: value } : row,
    );
  const cases = [
    ['a', 'status', 'running', /status is running, the events make it received/],
    ['a', 'progress', 10, /progress is 10, the events make it 0/],
    ['a', 'plot_pid', 7, /plot_pid is 7, the events make it null/],
    ['a', 'id', 2, /id is 2, the events make it 1/],
    ['a', 'stages', '{"p1_stage":"x"}', /stages is .*, the events make it null/],
    ['w', 'status', 'attached', /status is attached, the events make it lost/],
  ] as const;
  for (const [key, column, value, expected] of cases)
    await finds(t, expected, { rows: changed(key, column, value) });
  await finds(t, /rows-equal-fold: there is no row/, { rows: () => [] });
  await finds(t, /rows-equal-fold: no event made this row/, {
    rows: (rows) => [...rows, { task_id: 'b', worker_id: 'b' }],
  });
  const [first] = LIFE;
  const running = { events: LIFE.slice(0, 5), commands: [] };
  t.equal(first?.type, 'PlotTaskReceived');
  await finds(t, /p2_t1_time is 3, the events make it 2/, {
    ...running,
    rows: changed('a', 'p2_t1_time', 3),
  });
  await finds(t, /p2_t1_cpu is 40, the events make it 50/, {
    ...running,
    rows: changed('a', 'p2_t1_cpu', 40),
  });
});

t.test('readers that were shown something else, or something that is not there', async (t) => {
  await finds(t, /readers-agree: status was shown as finished and is running/, {
    shown: [shown(4, { status: 'finished' })],
  });
  await finds(t, /readers-agree: progress was shown as 11 and is 10/, {
    shown: [shown(4, { progress: 11 })],
  });
  await finds(t, /readers-agree: shown as running, and nothing of it is stored/, { shown: [shown(99)] });
});

t.test('what can not be read, unless the run itself has put it there', async (t) => {
  const { stream, position: at } = event('PlotTaskReported', 11);
  const bad = { stream, revision: 11, position: at, problem: 'its data is no JSON object' };
  await finds(t, /unreadable: its data is no JSON object/, { events: [...LIFE, bad] });
  t.same(await foundIn({ events: [...LIFE, bad], poisoned: new Map([[stream, 11]]) }), []);
});
