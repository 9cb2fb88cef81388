/** The log of a service. */

import t from 'tap';
import { loggerOf } from '../../src/cli/service.js';
import { terminalDouble } from '../support/terminal-double.js';

t.test('pid stands once in a line, and is that of who logs', async (t) => {
  const terminal = terminalDouble();
  const logger = loggerOf(terminal, { log: { level: 'info', format: 'json' } });
  logger.info({ pid: 4711, plotter: 'chia' }, 'a process of somebody');
  logger.child({ taskId: 'task_1' }).warn('nothing of another process');
  await new Promise((resolve) => setImmediate(resolve));
  const lines = terminal.stderr().trimEnd().split('\n');
  for (const line of lines) t.equal(line.match(/"pid":/g)?.length, 1, line);
  t.match(
    lines.map((line): unknown => JSON.parse(line)),
    [
      { pid: process.pid, process: 4711, plotter: 'chia' },
      { pid: process.pid, taskId: 'task_1' },
    ],
  );
});
