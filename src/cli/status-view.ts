/** A node on one page: its systems, their sides, what runs, what waits and why. */

import { styleText } from 'node:util';
import type { NodeStatus } from '../wire/node-messages.js';
import type { MachineState } from './machine-states.js';
import type { SystemWork, WorkItem } from './system.js';
import { type Column, renderPairs, renderTable, type TableLayout } from './table.js';

/** So many of each are shown; a page is no list. */
const MOST_SHOWN = 20;

export interface SystemState extends MachineState {
  /** Undefined of a system that tells nothing of its work, or that this command knows nothing of. */
  readonly work: SystemWork | undefined;
  /** Why nothing of its work is known, where it could not be asked. */
  readonly problem: string | undefined;
}

/** @param server HOST:PORT of the node */
export function statusPage(
  server: string,
  node: NodeStatus,
  systems: readonly SystemState[],
  layout: TableLayout,
): string {
  const facts = renderPairs(
    [
      ['node', server],
      ['worker', node.worker_id ?? ''],
      ['not serving', node.not_serving ?? ''],
      ['look into', troubles(node)],
      ...systems.flatMap(({ system, work }) =>
        (work?.switchedOff ?? []).map((one): [string, string] => ['switched off', `${system}: ${one}`]),
      ),
    ],
    layout.width,
  );
  const work = systems.flatMap(({ system, work: told }) =>
    told === undefined ? [] : workTables(system, told, layout),
  );
  return [facts, renderTable(COLUMNS, systems, layout), ...work].join('\n');
}

/** What `owl node status` tells more about. */
function troubles({ readers = [], loops = [], timers = {} }: NodeStatus): string {
  const parked = readers.reduce((sum, { parked: count = 0 }) => sum + count, 0);
  const failing = loops.filter(({ state }) => state === 'failing').length;
  const parts = [
    parked > 0 ? `${counted(parked, 'parked event')}` : '',
    failing > 0 ? `${counted(failing, 'failing loop')}` : '',
    (timers.failing ?? 0) > 0 ? `${counted(timers.failing ?? 0, 'failing timer')}` : '',
  ].filter((part) => part !== '');
  return parts.length === 0 ? '' : `${parts.join(', ')}: \`owl node status\` says why`;
}

const COLUMNS: readonly Column<SystemState>[] = [
  { title: 'SYSTEM', rank: 0, value: ({ system }) => system },
  {
    title: 'ON THE NODE',
    rank: 0,
    least: 16,
    overflow: 'wrap',
    value: ({ work, problem = '' }) => work?.service ?? (problem || 'serves'),
  },
  { title: 'ON THIS MACHINE', rank: 0, least: 16, overflow: 'wrap', value: machineLine },
];

function machineLine({ side, whyNot, work }: SystemState): string {
  if (side === undefined) return 'nothing: it starts no processes';
  if (work?.machine !== undefined) return `${side.name}: ${work.machine}`;
  if (whyNot !== undefined) return `nothing, since ${whyNot}`;
  return work === undefined ? `${side.name}, with owl up` : `no ${side.name}; \`owl up\` runs one`;
}

function workTables(system: string, { runs, waits, hasMore }: SystemWork, layout: TableLayout): string[] {
  const more = hasMore ? ' at least' : '';
  const tables = [
    table(`${system} runs${more} ${runs.length}`, runs, RUNS, layout),
    table(`${system} lets wait${more} ${waits.length}`, waits, WAITS, layout),
  ];
  return tables.filter((text) => text !== '');
}

function table(
  title: string,
  items: readonly WorkItem[],
  columns: readonly Column<WorkItem>[],
  layout: TableLayout,
): string {
  if (items.length === 0) return '';
  const shown = items.slice(0, MOST_SHOWN);
  const left = items.length - shown.length;
  return `${title}\n${renderTable(columns, shown, layout)}${left === 0 ? '' : `… and ${left} more\n`}`;
}

const NAME: Column<WorkItem> = { title: 'WHAT', rank: 0, value: ({ name }) => name };
const STATE: Column<WorkItem> = { title: 'STATE', rank: 0, value: ({ state }) => state };
const RUNS: readonly Column<WorkItem>[] = [
  NAME,
  STATE,
  { title: 'HOW FAR', rank: 0, least: 12, overflow: 'wrap', value: ({ what }) => what },
];
const WAITS: readonly Column<WorkItem>[] = [
  NAME,
  STATE,
  {
    title: 'WHY',
    rank: 0,
    least: 24,
    overflow: 'wrap',
    value: ({ what }) => what,
    paint: (text) => styleText('yellow', text),
  },
];

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
