/** That a switch is off, as whatever waits for it says it: who did it, since when, and why. */

import type { Database } from '../../../../base/sql.js';
import type { SwitchName } from '../../switch-names.js';

export interface Off {
  readonly isStrict: boolean;
  /** `the splitter is off since …, switched off by …: disk full` */
  readonly sentence: string;
}

/** Undefined while it is on. */
export function offIn(db: Database, name: SwitchName): Off | undefined {
  const row = db.prepare('SELECT * FROM wl_switches WHERE name = ? AND enabled = 0').get(name);
  if (row === undefined) return undefined;
  const since = new Date(Number(row['switched_time']) * 1000).toISOString();
  const by = row['switched_by'] === null ? '' : `, by ${String(row['switched_by'])}`;
  const why = row['reason'] === null ? '' : `: ${String(row['reason'])}`;
  return { isStrict: row['strict'] === 1, sentence: `the ${name} is switched off since ${since}${by}${why}` };
}
