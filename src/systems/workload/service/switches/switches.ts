/**
 * The part of the service that has to do with switches.
 *
 * Guarantee: that one is off is answered once what it forbids has ended (switch-gates.ts), and stored, so it stays off over restarts and is
 * so on every node.
 */

import type { z } from 'zod';
import { InvalidFieldError } from '../../../../base/errors.js';
import { type MetricGroup, metricGroup } from '../../../../node/metrics/metric.js';
import { type Asking, answered, followed } from '../../../../node/operations/operation.js';
import { SWITCH_NAMES, type SwitchName } from '../../switch-names.js';
import { storedHistory } from '../shown/entity-history.js';
import type { Part, WorkloadContext } from '../workload-context.js';
import { switchTo, switchType } from './switch-commands.js';
import { shutting } from './switch-gates.js';
import { listSwitches, setSwitch, switchHistory, switchMessage, switchStatus } from './switch-operations.js';

export function openSwitches(context: WorkloadContext): Part {
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
        await carryOut(context, request, asking);
        return await shown(request.switch);
      }),
    ],
    metrics: () => [switchMetrics(context)],
  };
}

async function carryOut(
  context: WorkloadContext,
  { switch: name, enabled, strict = false, reason, command_id: id }: z.output<typeof setSwitch.request>,
  asking: Asking,
): Promise<void> {
  if (enabled === undefined) throw new InvalidFieldError('enabled', 'is missing');
  if (strict && (enabled || name !== 'executor'))
    throw new InvalidFieldError('strict', 'must be left out unless the executor is switched off');
  const content = { enabled, strict, reason: reason ?? null };
  const store = () =>
    context.system.execute(switchType, name, {
      ...(id === undefined ? {} : { id, asks: { name: setSwitch.name, content } }),
      by: asking.who,
      decide: (snapshot) => switchTo(snapshot, name, { enabled, strict, reason }),
    });
  const { duplicate } = await (enabled ? store() : shutting(context, name, store));
  asking.repeated(duplicate);
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
