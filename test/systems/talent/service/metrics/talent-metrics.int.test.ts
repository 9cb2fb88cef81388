/** What a farm tells in /metrics: a real talent, a supervisor and players. */

import t, { type Test } from 'tap';
import { type Family, numberOf, parseExposition } from '../../../../node/metrics/exposition.js';
import { askAt } from '../../../../node/serving/http/http-node.js';
import { runTalent } from '../../../../support/running-talent.js';
import { orderFor } from '../../../../support/talent-node.js';
import { until } from '../../../../support/until.js';
import { Farm, pausingPlayer } from '../../support/farm.js';

type Told = ReadonlyMap<string, Family>;

async function startFarm(t: Test) {
  const farm = await Farm.start(t, { run: (data) => runTalent(data, { http_listen: '127.0.0.1:0' }) });
  const told = async () => {
    const { text } = await askAt(farm.talent.httpAddress ?? '', 'GET', '/metrics');
    return parseExposition(text);
  };
  /** Waits until one of them is as expected; gives all of that scrape. */
  const reaches = async (
    name: string,
    labels: Readonly<Record<string, string>>,
    value: number,
  ): Promise<Told> => {
    let last = await told();
    await until(`${name} ${JSON.stringify(labels)} is ${value}`, async () => {
      last = await told();
      return numberOf(last, name, labels) === value;
    });
    return last;
  };
  return { farm, reaches };
}

t.test('plots by state, why one waits, how far one is, and how they ended', async (t) => {
  const { farm, reaches } = await startFarm(t);
  await farm.client.create(orderFor('nobody-does', { worker_id: 'nowhere' }));
  await farm.supervise(pausingPlayer(farm), { max_plots: 1 });
  await farm.order('first');
  await farm.reachesPause('first');
  await farm.order('second');
  const paused = await reaches('talent_waiting_plots', { reason: 'max_plots' }, 1);
  const is = (told: Told, name: string, labels: Readonly<Record<string, string>>, value: number) =>
    t.equal(numberOf(told, name, labels), value, `${name} ${JSON.stringify(labels)}`);
  is(paused, 'talent_plots', { state: 'running' }, 1);
  is(paused, 'talent_plots', { state: 'finished' }, 0);
  is(paused, 'talent_waiting_plots', { reason: 'no_supervisor' }, 1);
  is(paused, 'talent_plotters', {}, 1);
  is(paused, 'talent_supervisors', { status: 'attached' }, 1);
  is(paused, 'talent_plots_ended_total', { state: 'finished' }, 0);
  const progress = numberOf(paused, 'talent_running_plots_progress_ratio', { of: 'mean' }) ?? 0;
  t.ok(progress > 0.64 && progress < 0.66, `${progress}`);
  is(paused, 'talent_running_plots', { phase: '3' }, 1);

  await farm.client.stop({ task_id: 'nobody-does', reason: 'nobody will' });
  farm.goOn();
  const ended = await reaches('talent_plots', { state: 'finished' }, 2);
  is(ended, 'talent_plots_ended_total', { state: 'finished' }, 2);
  is(ended, 'talent_plots', { state: 'stopped' }, 1);
  is(ended, 'talent_plots_ended_total', { state: 'stopped' }, 1);
  is(ended, 'talent_plots_ended_total', { state: 'failed' }, 0);
  for (const phase of ['1', '2', '3', '4', 'all'])
    is(ended, 'talent_plot_phase_seconds_count', { phase, ksize: 'other' }, 2);
  await reaches('talent_plotters', {}, 0);
  await farm.supervisor?.stop();
  const alone = await reaches('talent_supervisors', { status: 'detached' }, 1);
  is(alone, 'talent_waiting_plots', { reason: 'max_plots' }, 0);
});
