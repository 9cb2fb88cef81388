/** The way of what is reported: wire → event → row → wire, column by column. */

import t from 'tap';
import {
  PLOT_TASK_EVENTS,
  REPORTED_FIELDS,
  type Reported,
} from '../../../../../machines/talent/plot-task-events.js';
import { plotTasks } from '../../../../../projections/talent/plot-tasks.js';
import { openDatabase } from '../../../../../src/base/sqlite.js';
import { compileCheck } from '../../../../../src/runtime/event-store/data-check.js';
import type { JsonObject } from '../../../../../src/runtime/event-store/event-store.js';
import { readReported } from '../../../../../src/systems/talent/service/reports/reported-fields.js';
import { statusMessageOf } from '../../../../../src/systems/talent/service/shown/status-message.js';
import type { PlotTaskStatus } from '../../../../../src/systems/talent/wire/messages.js';
import { propose } from '../../../../support/events.js';
import { ORDER } from '../../../../support/plot-task-order.js';
import { methodNamed } from '../../../../support/talent-node.js';
import { filledMessage } from '../../support/filled-message.js';

/** As a peer's message arrives: through the wire. */
function sent(message: object): PlotTaskStatus {
  const { requestSerialize, requestDeserialize } = methodNamed('plot_task_update');
  return requestDeserialize(requestSerialize(message));
}

/** Every field that a report may set. */
function everything(): object {
  const values = {
    'plot_details.ksize': 33,
    'plot_details.stage_now': 4,
    'plot_details.progress': Math.fround(99.9),
    'plot_details.phase_1_status.now': 7,
    'plot_details.phase_2_status.now': 2,
  };
  const { plot_details: _, ...status } = filledMessage('PlotTaskStatus', values);
  const details = filledMessage('PlotDetails', values, 'plot_details.');
  return {
    ...status,
    exit_code: 0,
    exit_signal: 'SIGKILL',
    log_offset: 2 ** 40,
    plot_details: { ...details, dest_dir: '/mnt/x' },
  };
}

/** The row of a task that was received and has this reported of it. */
function rowAfter(reported: JsonObject) {
  const db = openDatabase(':memory:');
  try {
    db.exec(plotTasks.createTable('plot_tasks'));
    const writer = plotTasks.writer(db, 'plot_tasks');
    const recorded = (type: string, data: JsonObject, revision: number) =>
      writer.apply([
        { ...propose(data, { type }), stream: 'plot_task-a', revision, position: String(revision) },
      ]);
    recorded('PlotTaskReceived', { ...ORDER }, 0);
    recorded('PlotTaskReported', reported, 1);
    const row = db.prepare('SELECT * FROM plot_tasks').get();
    if (row === undefined) throw new Error('the task has no row');
    return row;
  } finally {
    db.close();
  }
}

function json(value: object): JsonObject {
  return JSON.parse(JSON.stringify(value));
}

t.test('every column that can be reported goes in and comes out', async (t) => {
  const message = sent(everything());
  const reported = readReported(message, {});
  t.strictSame(Object.keys(reported).sort(), Object.keys(REPORTED_FIELDS).sort(), 'none is left out');
  const kinds = Object.values(reported).map((value) => typeof value);
  t.equal(kinds.indexOf('string'), kinds.lastIndexOf('number', -2) + 1, 'texts stand behind numbers');
  t.equal(Object.keys(reported).at(-1), 'log_offset', 'how far the log was read is last');
  t.equal(
    compileCheck(PLOT_TASK_EVENTS.PlotTaskReported.fields)(json(reported)),
    undefined,
    'it can be stored',
  );

  const row = rowAfter(json(reported));
  for (const [column, value] of Object.entries(reported)) {
    if (!column.endsWith('_stage')) t.equal(row[column], value, column);
  }
  const shown = sent(statusMessageOf(row));
  t.strictSame(readReported(shown, {}), reported, 'as it was reported');
  t.strictSame(readReported(shown, reported), {}, 'and so nothing new');
});

t.test('zeros and empty texts are not given', async (t) => {
  const zero = (value: unknown): unknown => {
    if (typeof value === 'number') return 0;
    if (typeof value === 'string') return '';
    if (typeof value === 'boolean') return false;
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, zero(inner)]));
  };
  const { exit_code: _, ...nothing } = { exit_code: 0, ...json(everything()) };
  const empty = zero(nothing);
  if (typeof empty !== 'object' || empty === null) throw new Error('no message');
  t.strictSame(readReported(empty, {}), {});
  t.strictSame(readReported(sent(empty), {}), {}, 'on the wire neither');
  t.strictSame(readReported(sent({ exit_code: 0 }), {}), { exit_code: 0 }, 'but an exit code of 0 is one');
  t.strictSame(readReported(sent({}), {}), {});
});

t.test('only what differs is reported', async (t) => {
  const known: Reported = { plot_id: 'p', progress: 3.2, p1_t1_time: 12.345, wrote: 5 };
  const message = sent({
    plot_details: {
      id: 'p',
      progress: 3.2,
      wrote: 6,
      phase_1_status: { t1: { time: 12.345, cpu_usage: 99.5 } },
    },
  });
  t.strictSame(readReported(message, known), { wrote: 6, p1_t1_cpu: 99.5 });
});

t.test('floats come out as the shortest decimal that means the same', async (t) => {
  for (const value of [3.2, 0.1, 12345.678, 21_500.123, 99.99, 1e-7, 123_456.79, 0.000_012_34, 86_399.99]) {
    const { p1_t1_time: read } = readReported(
      sent({ plot_details: { phase_1_status: { t1: { time: value } } } }),
      {},
    );
    t.equal(read, value);
  }
  for (const value of [1, 32_768, 16_777_217, Math.fround(1 / 3), Math.fround(98_765.432_1)]) {
    const { total_time: read = 0 } = readReported(
      sent({ plot_details: { total_time: { time: value } } }),
      {},
    );
    t.equal(Math.fround(read), Math.fround(value), `${value} as ${read}`);
    t.ok(String(read).length <= 10, `${read} is short`);
  }
});

t.test('a value that breaks its rule is refused with the path of its field', async (t) => {
  const refused: [message: PlotTaskStatus, field: string][] = [
    [{ plot_pid: -1 }, 'plot_pid'],
    [{ exit_code: 256 }, 'exit_code'],
    [{ exit_signal: 'SIG\nKILL' }, 'exit_signal'],
    [{ log_offset: -1 }, 'log_offset'],
    [{ remarks: 'x'.repeat(16_385) }, 'remarks'],
    [{ plot_details: { id: 'x'.repeat(129) } }, 'plot_details.id'],
    [{ plot_details: { dest_file_name: '../../etc/passwd' } }, 'plot_details.dest_file_name'],
    [{ plot_details: { dest_dir: 'relative' } }, 'plot_details.dest_dir'],
    [{ plot_details: { phase_1_status: { t3: { stage: 'a\nb' } } } }, 'plot_details.phase_1_status.t3.stage'],
    [
      { plot_details: { phase_2_status: { t7: { sort: { time: -1 } } } } },
      'plot_details.phase_2_status.t7.sort.time',
    ],
    [
      { plot_details: { phase_4_status: { cpu_usage: Number.NaN } } },
      'plot_details.phase_4_status.cpu_usage',
    ],
  ];
  for (const [message, field] of refused)
    t.throws(() => readReported(message, {}), { name: 'InvalidFieldError', field }, field);
});
