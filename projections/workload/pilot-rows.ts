/** Rows of pilots: what they offer, their lease, whether they are given work, and how they are doing. */

import type { KeptStatements, SqlValue } from '../../src/base/sql.js';
import { idOf, ORDER_ACCEPTED, type RecordedEvent } from '../../src/runtime/event-store/event-store.js';
import { columns } from './dataset-rows.js';
import { StreamRows, sizeIn, timeOf, valueIn } from './rows.js';

const STAYS = new Set(['PilotLeaseKept', 'PilotReported', ORDER_ACCEPTED]);

export class PilotRows {
  private readonly pilots: StreamRows;

  constructor(statements: KeptStatements, table: string) {
    this.pilots = new StreamRows(statements, table, 'name');
  }

  apply(event: RecordedEvent): void {
    if (event.type === 'PilotAttached') {
      this.attach(event);
      return;
    }
    const row = this.pilots.before(event, 'lease, duty, last_report_time');
    if (row === undefined) return;
    const before = { lease: String(row['lease']), duty: String(row['duty']) };
    this.pilots.update(event, {
      ...standing({ ...before, ...changeOf(event) }),
      ...shownOf(event, row['last_report_time']),
    });
  }

  private attach(event: RecordedEvent): void {
    const name = idOf(event.stream);
    if (!this.pilots.has(event.stream)) {
      this.pilots.insert({
        pilot_id: this.pilots.next('pilot_id'),
        name,
        ...{ status: 'active', lease: 'attached', duty: 'in', session_id: '', device_type: 'cpu', slots: 0 },
        ...{ executables: '[]', lease_seconds: 0, registered_time: timeOf(event), update_time: 0 },
        revision: event.revision - 1,
      });
    }
    const row = this.pilots.before(event, 'duty');
    if (row === undefined) return;
    const { data } = event;
    const duty = row['duty'] === 'draining' ? 'draining' : 'in';
    this.pilots.update(event, {
      ...standing({ lease: 'attached', duty }),
      ...columns(data, 'session_id device_type slots memory_mib host pid lease_seconds node_id'),
      version: valueIn(data, 'program_version'),
      executables: JSON.stringify(data['executables'] ?? []),
      labels: data['labels'] === undefined ? null : JSON.stringify(data['labels']),
      ...{ slots_used: 0, registered_time: timeOf(event), lost_time: null, remarks: null },
      standing_revision: event.revision,
    });
  }
}

/** What it is called, of its lease and its duty. */
function standing({ lease, duty }: { readonly lease: string; readonly duty: string }) {
  const there = duty === 'draining' ? 'draining' : 'active';
  const status = duty === 'retired' ? 'retired' : lease === 'attached' ? there : lease;
  return { status, lease, duty };
}

function changeOf({ type }: RecordedEvent): { readonly lease?: string; readonly duty?: string } {
  switch (type) {
    case 'PilotLost':
      return { lease: 'lost' };
    case 'PilotReturned':
      return { lease: 'attached' };
    case 'PilotDetached':
      return { lease: 'detached' };
    case 'PilotDrainRequested':
      return { duty: 'draining' };
    case 'PilotUndrained':
      return { duty: 'in' };
    case 'PilotRetired':
      return { duty: 'retired' };
    default:
      if (!STAYS.has(type)) throw new Error(`${type} is no event of a pilot`);
      return {};
  }
}

/** @param reported when it was heard last, as far as that was stored; Unix seconds */
function shownOf(event: RecordedEvent, reported: SqlValue | undefined): Record<string, SqlValue> {
  const { type, data, revision } = event;
  switch (type) {
    case 'PilotLost':
      return {
        lost_time: valueIn(data, 'lost_time'),
        last_report_time: later(reported ?? null, valueIn(data, 'heard_time')),
        standing_revision: revision,
      };
    case 'PilotReturned':
      return { lost_time: null, ...keptOf(event), standing_revision: revision };
    case 'PilotDetached':
      return { slots_used: 0, remarks: valueIn(data, 'reason'), standing_revision: revision };
    case 'PilotLeaseKept':
      return keptOf(event);
    case 'PilotReported':
      return {
        ...columns(data, 'slots_used jobs_done jobs_failed'),
        last_report_time: timeOf(event),
        metrics: JSON.stringify({
          load: valueIn(data, 'load'),
          rss: sizeIn(data, 'rss'),
          disk_free: sizeIn(data, 'disk_free'),
        }),
      };
    case ORDER_ACCEPTED:
      return {};
    default:
      return { remarks: valueIn(data, 'reason') };
  }
}

function later(one: SqlValue, other: SqlValue): SqlValue {
  return typeof one === 'number' && typeof other === 'number' ? Math.max(one, other) : (other ?? one);
}

function keptOf({ data }: RecordedEvent): Record<string, SqlValue> {
  const node = valueIn(data, 'node_id');
  return node === null ? {} : { node_id: node };
}
