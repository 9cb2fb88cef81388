/** `owl workload broker status`: whether the broker is there, and what lies in its queues. */

import type { Command } from 'commander';
import { formatTime, toJson } from '../../../cli/format.js';
import type { GlobalOptions } from '../../../cli/globals.js';
import { addExamples } from '../../../cli/help.js';
import type { Cli } from '../../../cli/system.js';
import { type Column, renderPairs, renderTable, type TableLayout } from '../../../cli/table.js';
import type { BrokerQueue, BrokerStatus, BuriedMessages } from '../wire/broker-messages.js';
import { withWorkload } from './with-workload.js';

const NONE =
  'no broker is configured, so pilots speak gRPC: to use a RabbitMQ set workload.broker of the node to amqp://USER@HOST/VHOST, and ' +
  'workload.broker_password_file';

export function addBrokerCommands(workload: Command, cli: Cli): void {
  const group = workload
    .command('broker')
    .summary('look at the broker, where there is one')
    .description('Looks at the RabbitMQ between node and pilots, where workload.broker names one.');
  const status = group
    .command('status')
    .alias('show')
    .summary('say how it stands')
    .description(
      'Says where the broker is, whether the node is connected to it, since when or why not, what waits in its queues, and what is dead.',
    );
  addExamples(status, [['owl workload broker status', 'is it there, and what lies in its queues?']]);
  status.action(async (_options: unknown, self: Command) => {
    const options = self.optsWithGlobals<GlobalOptions>();
    await withWorkload(cli, options, async (client) => {
      const found = await client.broker();
      if (options.json) await cli.out.line(toJson(found));
      else await cli.out.write(brokerPage(found, cli.out));
    });
  });
}

export function brokerPage(status: BrokerStatus, layout: TableLayout): string {
  if (status.configured !== true) return `${NONE}\n`;
  const { address = '', version = '', queue_type = '', problem = '', queues = [], buried = [] } = status;
  return [
    renderPairs(
      [
        ['broker', version === '' ? address : `${address}, ${version}`],
        ['connected', connection(status)],
        ['problem', status.connected ? problem : ''],
        ['queues are', queue_type],
        ['pilots heard', status.connected ? hearing(status) : ''],
      ],
      layout.width,
    ),
    queues.length === 0 ? '' : `\n${renderTable(QUEUES, queues, layout)}`,
    buried.length === 0 ? '' : `\n${renderTable(BURIED, buried, layout)}`,
  ].join('');
}

/** In one line, for who looks at the whole. */
export function brokerLine({ address = '', problem = '', queues = [], ...status }: BrokerStatus): string {
  const dead = queues.reduce((sum, queue) => sum + (queue.dead === true ? (queue.messages ?? 0) : 0), 0);
  const letters = dead === 0 ? '' : `, ${dead} dead letter${dead === 1 ? '' : 's'}`;
  if (problem !== '') return `${problem}${letters}`;
  return `connected to ${address} since ${formatTime(status.since)}${letters}`;
}

function connection({ connected, since, attempts = 0, problem = '' }: BrokerStatus): string {
  if (connected === true) return `yes, since ${formatTime(since)}`;
  return `no, tried ${attempts} time${attempts === 1 ? '' : 's'}: ${problem}`;
}

function hearing({ heard_by, node }: BrokerStatus): string {
  if (heard_by === undefined || heard_by === '') return 'by one of the nodes; none has told this one yet';
  return heard_by === node ? `by this node, ${heard_by}` : `by node ${heard_by}`;
}

const number = (value: number | undefined) => (value === undefined ? '' : `${value}`);

const QUEUES: readonly Column<BrokerQueue>[] = [
  { title: 'QUEUE', rank: 0, value: ({ name = '' }) => name },
  { title: 'WAIT', rank: 0, align: 'right', value: ({ messages }) => number(messages) },
  { title: 'TAKEN', align: 'right', value: ({ unacknowledged }) => number(unacknowledged) },
  { title: 'CONSUMERS', align: 'right', value: ({ consumers }) => number(consumers) },
  { title: 'REMARKS', rank: 2, least: 12, overflow: 'wrap', value: remarks },
];

function remarks({ dead, problem = '' }: BrokerQueue): string {
  return problem === '' && dead === true ? 'dead letters, for people' : problem;
}

const BURIED: readonly Column<BuriedMessages>[] = [
  { title: 'BURIED IN', rank: 0, value: ({ queue = '' }) => queue },
  { title: 'REASON', rank: 0, value: ({ reason = '' }) => reason },
  { title: 'COUNT', rank: 0, align: 'right', value: ({ count }) => number(count) },
];
