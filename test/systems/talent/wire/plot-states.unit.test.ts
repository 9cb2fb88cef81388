/** What is final is the machine's to say; the lists of those that load no machine follow it. */

import t from 'tap';
import { FINAL_STATES as OF_THE_MACHINE } from '../../../../machines/talent/final-states.js';
import { plotTaskMachine, RECORDED_STATES } from '../../../../machines/talent/plot-task.js';
import { FINAL_STATES, isFinal } from '../../../../src/systems/talent/wire/plot-states.js';

t.test('final is what takes a retry, and only that', async (t) => {
  const retried = RECORDED_STATES.filter((state) =>
    plotTaskMachine.states[state]?.ownEvents.includes('PlotTaskRetried'),
  );
  t.same([...OF_THE_MACHINE].sort(), [...retried].sort());
  t.same([...FINAL_STATES].sort(), [...retried].sort());
});

t.test('a state that nobody knows is not final', async (t) => {
  for (const state of ['', 'paused', 'Finished']) t.notOk(isFinal(state));
});
