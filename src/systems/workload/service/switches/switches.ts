/**
 * The part of the service that has to do with switches.
 *
 * Guarantees: that one is off is stored, so it stays off over restarts and on every node, and answered once what it forbids has ended
 * on all of them: the node that does it says so (settling.ts), and behind that nothing of it stands in the store until it is on
 * again. Who can't be answered so in time is told that it is off, and for whom it waits.
 */

import type { z } from 'zod';
import { workload } from '../../../../../projections/workload/workload.js';
import { orAborted } from '../../../../base/backoff.js';
import { InvalidFieldError, OwlError } from '../../../../base/errors.js';
import { storedHistory } from '../../../../node/entities/entity-history.js';
import { type MetricGroup, metricGroup } from '../../../../node/metrics/metric.js';
import { type Asking, answered, followed } from '../../../../node/operations/operation.js';
import { SWITCH_NAMES, type SwitchName } from '../../switch-names.js';
import type { Part, WorkloadContext } from '../workload-context.js';
import { switchTo, switchType } from './switch-commands.js';
import { listSwitches, setSwitch, switchHistory, switchMessage, switchStatus } from './switch-operations.js';

/** A node that was killed while it did what is forbidden is followed within its lease. */
const SETTLES_WITHIN_SECONDS = 30;

export function openSwitches(context: WorkloadContext): Part {
  const news = new News();
  context.runtime.onApplied(workload.name, (events) => {
    if (events.some(({ stream }) => stream.startsWith('wl_switch-'))) news.tell();
  });
  const shown = async (name: SwitchName) => {
    await context.readYourWrites();
    return show(context, name);
  };
  return {
    operations: [
      answered(listSwitches, async () => {
        await context.readYourWrites();
        return { switches: SWITCH_NAMES.map((name) => show(context, name)) };
      }),
      answered(switchStatus, ({ switch: name }) => shown(name)),
      followed(switchHistory, ({ switch: name }) => historyIn(context, name)),
      answered(setSwitch, async (request, asking) => {
        await carryOut(context, news, request, asking);
        return await shown(request.switch);
      }),
    ],
    metrics: () => [switchMetrics(context)],
  };
}

async function carryOut(
  context: WorkloadContext,
  news: News,
  { switch: name, enabled, strict = false, reason, command_id: id }: z.output<typeof setSwitch.request>,
  asking: Asking,
): Promise<void> {
  if (enabled === undefined) throw new InvalidFieldError('enabled', 'is missing');
  if (strict && (enabled || name !== 'executor'))
    throw new InvalidFieldError('strict', 'must be left out unless the executor is switched off');
  const content = { enabled, strict, reason: reason ?? null };
  const { duplicate } = await context.system.execute(switchType, name, {
    ...(id === undefined ? {} : { id, asks: { name: setSwitch.name, content } }),
    by: asking.who,
    decide: (snapshot) => switchTo(snapshot, name, { enabled, strict, reason }),
  });
  asking.repeated(duplicate);
  if (!enabled) await untilSettled(context, news, name, asking.over);
}

/** @throws OwlError kind `conflict` where it was switched on meanwhile, `unavailable` where it takes too long */
async function untilSettled(
  { system, clock, runtime }: WorkloadContext,
  news: News,
  name: SwitchName,
  over: AbortSignal,
): Promise<void> {
  const patience = new AbortController();
  const cancel = clock.after(SETTLES_WITHIN_SECONDS * 1000, () => {
    const loop = runtime.status().loops.find((one) => one.name === `workload-${name}`);
    const node = loop?.node === undefined ? '' : ` (${loop.node})`;
    const waits = `the node that runs it${node} has not said within ${SETTLES_WITHIN_SECONDS} s that what it had under way has ended`;
    patience.abort(new OwlError('unavailable', `the ${name} is switched off, but ${waits}; ask again`));
  });
  const signal = AbortSignal.any([patience.signal, over]);
  try {
    for (;;) {
      const changed = news.next();
      const { value, context } = (await orAborted(system.read(switchType, name), signal)).snapshot;
      if (context.settled) return;
      if (value === 'on')
        throw new OwlError('conflict', `the ${name} was switched on before what was under way had ended`);
      await orAborted(changed, signal);
    }
  } finally {
    cancel();
  }
}

/** Something was applied that is about switches. */
class News {
  private told: Promise<void> = Promise.resolve();
  private resolve: () => void = () => undefined;

  constructor() {
    this.begin();
  }

  /** Settles with what is told from now on. */
  next(): Promise<void> {
    return this.told;
  }

  tell(): void {
    this.resolve();
    this.begin();
  }

  private begin(): void {
    this.told = new Promise((resolve) => {
      this.resolve = resolve;
    });
  }
}

/** Nothing of one that was never switched: it is on. */
async function* historyIn(context: WorkloadContext, name: SwitchName) {
  const { revision } = await context.system.read(switchType, name);
  if (revision >= 0) yield* storedHistory(context, { type: switchType, noun: 'switch' }, name);
}

function show({ db }: WorkloadContext, name: SwitchName) {
  const row = db.prepare('SELECT * FROM wl_switches WHERE name = ?').get(name);
  const { reason = null, switched_by: by = null, switched_time: since = null } = row ?? {};
  return switchMessage.parse({
    switch: name,
    enabled: row?.['enabled'] !== 0,
    strict: row?.['strict'] === 1,
    ending: row?.['ending'] === 1,
    ...(reason === null ? {} : { reason }),
    ...(by === null ? {} : { by }),
    ...(since === null ? {} : { since }),
    revision: Number(row?.['revision'] ?? -1),
  });
}

function switchMetrics({ db }: WorkloadContext): MetricGroup {
  return metricGroup({
    name: 'workload-switches',
    gather: () => db.prepare('SELECT name FROM wl_switches WHERE enabled = 0').all(),
    metrics: [
      {
        name: 'workload_switch_on',
        help: 'Whether the splitter and the executor are on: 1, or switched off: 0',
        type: 'gauge',
        labels: ['switch'],
        samples: (off) =>
          SWITCH_NAMES.map((name) => ({
            labels: { switch: name },
            value: off.some((row) => row['name'] === name) ? 0 : 1,
          })),
      },
    ],
  });
}
