/** How far long work is is shown while it goes on, on stderr, and never in its way. */

import t from 'tap';
import { whileNodeWorks, whileShown } from '../../src/cli/long-work.js';
import { terminalDouble } from '../support/terminal-double.js';
import { until } from '../support/until.js';

const HALF = { step: 'copying', events: 1, total: 2, unit: 'files' };

t.test('what is done in a moment shows nothing', async (t) => {
  const terminal = terminalDouble();
  t.equal(
    await whileShown(
      terminal,
      async () => HALF,
      async () => 'done',
    ),
    'done',
  );
  t.equal(terminal.stderr(), '');
});

t.test('what takes longer shows how far it is, and ends with what it ends with', async (t) => {
  const terminal = terminalDouble();
  const isShown = () => until('it is shown', () => /copying: 50\.0%, 1 of 2 files/.test(terminal.stderr()));
  t.equal(
    await whileShown(
      terminal,
      async () => HALF,
      async () => {
        await isShown();
        return 'done';
      },
      0,
    ),
    'done',
  );
  t.equal(terminal.stdout(), '');
  await t.rejects(
    whileShown(
      terminal,
      async () => HALF,
      async () => Promise.reject(new Error('full')),
      0,
    ),
    /full/,
  );
  let looks = 0;
  const look = async () => {
    looks += 1;
    throw new Error('the node is away');
  };
  const looked = async () => {
    await until('it is looked at', () => looks > 0);
    return 7;
  };
  t.equal(await whileShown(terminal, look, looked, 0), 7);
});

t.test('who interrupts what a node does is told that it goes on', async (t) => {
  const terminal = terminalDouble();
  const work = async () => {
    terminal.interrupt('SIGINT');
    throw new Error('cancelled');
  };
  await t.rejects(
    whileNodeWorks(
      terminal,
      async () => HALF,
      { command: 'owl workload dataset show 3', noun: 'dataset' },
      work,
    ),
    /cancelled/,
  );
  t.equal(terminal.stderr(), 'the node goes on with it; `owl workload dataset show 3` shows the dataset\n');
});
