/**
 * Where outputs go, as far as it is known to be there: directories below which a pilot has stored an output, or which this node sees.
 *
 * Guarantees: what pilots have stored in this node's time is known at once, and so, of tasks, is what they stored before; a place that is
 * not known yet is looked for once a minute at most, and one that is known is not looked for again, so a grant costs a look into memory.
 */

import type { Clock } from '../../../../base/clock.js';
import { KeptLately } from '../../../../base/kept-lately.js';
import type { Database } from '../../../../base/sql.js';
import { directoryOf } from '../../storage-url.js';
import type { JobOrder } from '../jobs/job-orders.js';
import type { SeenFiles } from './seen-files.js';

const LOOKS_EVERY_MS = 60_000;
const MOST_KEPT = 10_000;

type Order = Pick<JobOrder, 'task' | 'dataOutUrl'>;

export class SeenPlaces {
  private readonly db: Database;
  private readonly clock: Clock;
  private readonly files: SeenFiles;
  /** By URL: whether it is known to be there, and when it was looked for; monotonic milliseconds. */
  private readonly known = new KeptLately<string, { readonly isSeen: boolean; readonly at: number }>({
    limit: MOST_KEPT,
    weightOf: () => 1,
  });

  constructor({ db, clock }: { readonly db: Database; readonly clock: Clock }, files: SeenFiles) {
    this.db = db;
    this.clock = clock;
    this.files = files;
  }

  /** An output of that job was stored. */
  note({ task, dataOutUrl }: Order): void {
    this.keep(dataOutUrl, true);
    if (task !== undefined) this.keep(below(dataOutUrl, task), true);
  }

  /** The directory of its task or, where that is not known to be there, the one that was ordered; undefined: neither is. */
  async of({ task, dataOutUrl }: Order): Promise<string | undefined> {
    if (task !== undefined) {
      const ofTask = below(dataOutUrl, task);
      if (await this.isSeen(ofTask, () => this.hasStored('producer_task', task))) return ofTask;
    }
    const isSeen = () =>
      this.hasStored('storage_url', dataOutUrl) || this.files.sees(directoryOf(dataOutUrl));
    return (await this.isSeen(dataOutUrl, isSeen)) ? dataOutUrl : undefined;
  }

  private async isSeen(place: string, look: () => boolean | Promise<boolean>): Promise<boolean> {
    const { isSeen, at = Number.NEGATIVE_INFINITY } = this.known.get(place) ?? {};
    if (isSeen === true) return true;
    if (this.clock.monotonic() - at < LOOKS_EVERY_MS) return false;
    // Who asks meanwhile does not look, too.
    this.keep(place, false);
    const found = await look();
    if (found) this.keep(place, true);
    return found;
  }

  private keep(place: string, isSeen: boolean): void {
    this.known.set(place, { isSeen, at: this.clock.monotonic() });
  }

  /** What people register they may never have seen; what tasks write counts once it was stored. */
  private hasStored(column: 'producer_task' | 'storage_url', value: string): boolean {
    const select = `SELECT 1 FROM dsm_datasets WHERE ${column} = ? AND producer_task IS NOT NULL AND files_available > 0`;
    return this.db.prepare(`${select} LIMIT 1`).get(value) !== undefined;
  }
}

function below(url: string, task: string): string {
  return `${url.replace(/\/+$/, '')}/${task}`;
}
