/**
 * The names of a plot's temp files, by the patterns of its plotter's declaration: `plot-k{ksize}-*-{plot_id}.plot.*tmp`. A
 * star stands for any characters, `{ksize}` and `{number}` for any number, because a plotter may make another k than was
 * ordered. A pattern with the plot's own id, 64 hex digits, fits no other plot's files. One without, `t1_{number}.tmp`, is
 * of a plotter that names them alike for all its plots: it fits in caches only, which have one such plot at a time.
 */

export const PLOT_ID = /^[0-9a-f]{64}$/;

const ID_PLACE = '{plot_id}';
const ANY_ID = '([0-9a-f]{64})';
/** No star: nothing else may have such a name by chance. */
const SHARED = /^[A-Za-z](?:[^/{}*]|\{number\})*tmp$/;

/** None while the id is not known: without it a pattern may fit anything. */
export function tempNamesOf(temp: readonly string[], plotId: string | null | undefined): RegExp[] {
  if (plotId === null || plotId === undefined || !PLOT_ID.test(plotId)) return [];
  return withId(temp, plotId);
}

/** Those of any plot; the first group is its id. */
export function tempNamesOfAny(temp: readonly string[]): RegExp[] {
  return withId(temp, ANY_ID);
}

/** Those that are the same for all plots. */
export function sharedTempNames(temp: readonly string[]): RegExp[] {
  return temp.filter(isShared).map((pattern) => namesOf(pattern, ''));
}

/** It names files alike for all plots. */
export function isShared(pattern: string): boolean {
  return SHARED.test(pattern);
}

export function hasId(pattern: string): boolean {
  return pattern.includes(ID_PLACE);
}

function withId(temp: readonly string[], id: string): RegExp[] {
  return temp.filter(hasId).map((pattern) => namesOf(pattern, id));
}

function namesOf(pattern: string, id: string): RegExp {
  const parts = pattern.split(/(\{plot_id\}|\{ksize\}|\{number\}|\*)/).map((part) => {
    if (part === ID_PLACE) return id;
    if (part === '{ksize}' || part === '{number}') return '[0-9]+';
    return part === '*' ? '[^/]*' : part.replace(/[.\\^$+?()[\]{}|-]/g, '\\$&');
  });
  return new RegExp(`^${parts.join('')}$`);
}
