/** One report that can't be handled harms itself alone, with a talent that answers it and with one that breaks the stream. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { systemClock } from '../../../../src/base/clock.js';
import { acknowledgedStream } from '../../../../src/node/serving/calls.js';
import { startGrpcServer } from '../../../../src/node/serving/grpc-server.js';
import { ActorSystem } from '../../../../src/runtime/actors/actor-system.js';
import { delegating } from '../../../../src/runtime/event-store/delegating-store.js';
import { openSqliteEventStore } from '../../../../src/runtime/event-store/sqlite/sqlite-event-store.js';
import { readOrder } from '../../../../src/systems/talent/service/order-message.js';
import { plotTask, receive } from '../../../../src/systems/talent/service/plot-task-commands.js';
import { logReceiverHandlers } from '../../../../src/systems/talent/service/reports/report-handlers.js';
import { Reporters } from '../../../../src/systems/talent/service/reports/reporters.js';
import { supervisor } from '../../../../src/systems/talent/service/supervisors/supervisor-type.js';
import { tellTalent } from '../../../../src/systems/talent/supervisor/tell-talent.js';
import type {
  PlotTaskReport,
  PlotTaskReportAck,
  PlotTaskReportAcks,
  PlotTaskStatus,
} from '../../../../src/systems/talent/wire/messages.js';
import { PlotManagerClient } from '../../../../src/systems/talent/wire/plot-manager-client.js';
import { ReportPutAsideError, type ReportStream } from '../../../../src/systems/talent/wire/report-stream.js';
import { loadProto, serviceOf } from '../../../../src/wire/proto.js';
import { type LogLines, logLines } from '../../../support/log-lines.js';
import { anyRole, OPEN_TO_ALL } from '../../../support/open-to-all.js';
import { orderFor } from '../../../support/talent-node.js';
import { until } from '../../../support/until.js';

const SERVICE = 'talent.PlotManager';
const TASKS = Array.from({ length: 20 }, (_, n) => `t${n}`);
const ROUNDS = 20;

interface Served {
  readonly reports: ReportStream;
  /** Of the client. */
  readonly log: LogLines;
}

/** A server of these handlers, and the stream of a client. */
async function serve(t: Test, handlers: Record<string, unknown>): Promise<Served> {
  const methods = Object.entries(serviceOf(loadProto('talent'), SERVICE));
  const definition = Object.fromEntries(methods.filter(([name]) => name in handlers));
  const server = await startGrpcServer({
    listen: '127.0.0.1:0',
    services: [{ name: SERVICE, definition, handlers: Object(handlers), access: anyRole(definition) }],
    packages: [],
    ...OPEN_TO_ALL,
    logger: logLines().logger,
  });
  const log = logLines();
  const client = new PlotManagerClient({ server: server.address, logger: log.logger });
  const reports = client.reports();
  t.teardown(async () => {
    reports.close();
    client.close();
    await server.stop(0);
  });
  return { reports, log };
}

/** Reports of all tasks, round after round, each of which needs its answer before the next. */
async function reportAll(reports: ReportStream): Promise<number> {
  let answered = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    const acks = await Promise.all(
      TASKS.map((task_id) => reports.send({ task_id, status: 'running', log_offset: round })),
    );
    answered += acks.filter(({ is_success }) => is_success === true).length;
  }
  return answered;
}

t.test('a report that fails inside the service is answered, told once, and disturbs no other', async (t) => {
  const real = openSqliteEventStore(join(t.testdir(), 'owl.db'));
  let isDamaged = true;
  let tries = 0;
  const store = delegating(real, {
    async *readStream(stream, options) {
      if (stream === 'plot_task-bad' && isDamaged) {
        tries += 1;
        throw new TypeError('null has no fields');
      }
      yield* real.readStream(stream, options);
    },
  });
  const system = new ActorSystem({ store, clock: systemClock });
  t.teardown(async () => {
    await system.close();
    await real.close();
  });
  const log = logLines();
  const reporters = new Reporters(async (id) => (await system.read(supervisor, id)).snapshot);
  const context = { logger: log.logger, system, clock: systemClock, reporters };
  const { reports, log: clientLog } = await serve(
    t,
    logReceiverHandlers(context, new AbortController().signal),
  );
  for (const id of TASKS) await receiveTask(system, id);

  const bad = reports.send({ task_id: 'bad', status: 'running' });
  t.equal(await reportAll(reports), TASKS.length * ROUNDS, 'all others are taken');
  await until('it was sent again', () => tries > 3);
  const failures = log.messages('error');
  t.same(failures.length, 1, 'told once, however often it came');
  t.match(log.entries('error')[0], { taskId: 'bad', err: { message: 'null has no fields' } });
  t.same(clientLog.messages('warn'), [], 'the stream never broke');

  isDamaged = false;
  await receiveTask(system, 'bad');
  t.match(await bad, { is_success: true }, 'and once it can be handled it is');
});

async function receiveTask(system: ActorSystem, id: string): Promise<void> {
  const order = readOrder(orderFor(id), 'w', Date.now() / 1000);
  await system.execute(plotTask, id, { decide: (task) => receive(task, order) });
}

interface Breaking extends Served {
  /** Reports of the bad task that came. */
  readonly bad: PlotTaskStatus[];
  /** From now on it can take them. */
  mend(): void;
  /** It fails at the report with these remarks once, and can take all from then on. */
  mendAfter(remarks: string): void;
}

/** A talent of before: a report that it fails at breaks the stream that it came on. */
async function serveBreaking(
  t: Test,
  isBad = (report: PlotTaskStatus) => report.task_id === 'bad',
): Promise<Breaking> {
  const bad: PlotTaskStatus[] = [];
  let isMended = false;
  let last: string | undefined;
  const rethrow = (_: PlotTaskReport, error: unknown): PlotTaskReportAck => {
    throw error;
  };
  const served = await serve(t, {
    plot_task_report: acknowledgedStream<PlotTaskReport, PlotTaskReportAck, PlotTaskReportAcks>(
      logLines().logger,
      {
        inFlight: 64,
        handle: async ({ seq = 0, status = {} }) => {
          if (isBad(status)) bad.push(status);
          if (!isBad(status) || isMended) return { seq, is_success: true };
          isMended = last !== undefined && status.remarks === last;
          throw new TypeError('null has no fields');
        },
        answerFailure: rethrow,
        pack: (acks) => ({ acks }),
      },
    ),
  });
  return {
    ...served,
    bad,
    mend: () => {
      isMended = true;
    },
    mendAfter: (remarks) => {
      last = remarks;
    },
  };
}

t.test('a report that breaks the stream is put aside; the others go on in one', async (t) => {
  const { reports, log, bad, mendAfter } = await serveBreaking(t);
  const outcome = t.rejects(reports.send({ task_id: 'bad', remarks: 'one' }), ReportPutAsideError);
  const second = t.rejects(reports.send({ task_id: 'bad', remarks: 'two' }), ReportPutAsideError);
  let isOver = false;
  const both = Promise.all([outcome, second]).then(() => {
    isOver = true;
  });
  let answered = 0;
  let rounds = 0;
  while (!isOver) {
    answered += await reportAll(reports);
    rounds += 1;
  }
  await both;
  t.equal(answered, rounds * TASKS.length * ROUNDS, 'no report of another task went unanswered');
  t.same(log.messages('error'), ['a report is put aside, the others go on'], 'it is told once');
  const breaks = () => log.messages('warn').length;
  t.ok(breaks() <= 2, `the shared stream broke ${breaks()} times`);

  const before = breaks();
  mendAfter('again');
  const again = reports.send({ task_id: 'bad', remarks: 'again' });
  t.equal(await reportAll(reports), TASKS.length * ROUNDS);
  t.match(await again, { is_success: true }, 'it is taken once talent can');
  t.equal(bad.filter(({ remarks }) => remarks === 'again').length, 2);
  t.equal(breaks(), before, 'and the shared stream was not broken by it');
  t.match(await reports.send({ task_id: 'bad', remarks: 'later' }), { is_success: true });
});

t.test('with nobody else to answer, nothing is held against a report', async (t) => {
  const { reports, log, bad, mend } = await serveBreaking(t);
  const sending = reports.send({ task_id: 'bad' });
  await until('it was tried often', () => bad.length > 6);
  t.same(log.messages('error'), []);
  mend();
  t.match(await sending, { is_success: true });
});

t.test('what a supervisor has to tell is kept while talent fails at it', async (t) => {
  const { reports, log, bad, mend } = await serveBreaking(t);
  const ending = new AbortController();
  t.teardown(() => ending.abort());
  const told = logLines();
  const fast = { ...systemClock, after: (_: number, run: () => void) => systemClock.after(1, run) };
  tellTalent({ reports, clock: fast, logger: told.logger, signal: ending.signal }, { task_id: 'bad' });
  while (log.messages('error').length === 0) await reportAll(reports);
  const before = bad.length;
  await until('it was told again', () => bad.length > before);
  mend();
  await until('it is told', async () => {
    await reportAll(reports);
    return (await reports.send({ task_id: 'bad', remarks: 'after' })).is_success === true;
  });
  t.ok(bad.some(({ remarks }) => remarks === undefined));
  t.same(told.messages('error'), [], 'no report was lost');
});

t.test('a message that can not be encoded harms itself alone', async (t) => {
  const { reports } = await serveBreaking(t, () => false);
  const broken: PlotTaskStatus = { task_id: 'bad' };
  Object.defineProperty(broken, 'plot_details', { enumerable: true, value: 'no message' });
  let isOver = false;
  const outcome = t.rejects(reports.send(broken), ReportPutAsideError).then(() => {
    isOver = true;
  });
  while (!isOver) t.equal(await reportAll(reports), TASKS.length * ROUNDS);
  await outcome;
});
