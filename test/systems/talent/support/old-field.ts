/** A talent with a peer from the field on it, and what such peers do over and over. */

import type { Test } from 'tap';
import { collect } from '../../../support/events.js';
import { startTalentNode, type TalentNode } from '../../../support/talent-node.js';
import { OldPeer } from './fleet-contract.js';
import { PLOT_ID } from './old-log-collector.js';
import type { WireMessage } from './wire-bytes.js';

export const CONFIG = {
  ksize: 32,
  threads: 2,
  buffer: 3390,
  cache1: '/mnt/ssd1',
  dest: { type: 'nfs', path: '/mnt/nfs/07' },
} as const satisfies WireMessage;

export interface Field extends TalentNode {
  readonly peer: OldPeer;
  create(taskId: string, config?: WireMessage): Promise<void>;
  /** Types of the task's events. */
  events(taskId: string): Promise<string[]>;
}

export async function startField(t: Test): Promise<Field> {
  const node = await startTalentNode(t);
  const peer = new OldPeer(node.address);
  return {
    ...node,
    peer,
    create: async (taskId, config = {}) => {
      const request = { task_id: taskId, plot_config: { ...CONFIG, ...config } };
      t.match(await peer.call('plot_task_create', request), { is_success: true });
    },
    events: async (taskId) => {
      const events = await collect(node.client.history({ task_id: taskId }));
      return events.map(({ type = '' }) => type.replace('PlotTask', ''));
    },
  };
}

/** Brings a task to `running`, as an old supervisor and an old log collector do. */
export async function run({ peer, create }: Field, taskId: string, plotId = PLOT_ID): Promise<void> {
  await create(taskId);
  await peer.call('plot_task_update', { task_id: taskId, log_pid: 11 });
  await peer.call('plot_task_update', { task_id: taskId, status: 'started', plot_pid: 10, log_pid: 11 });
  await peer.call('plot_task_update', { task_id: taskId, status: 'running', plot_details: { id: plotId } });
}
