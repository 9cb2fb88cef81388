/**
 * The names of a plot's temp files, by the patterns of its plotter's declaration: `plot-k{ksize}-*-{plot_id}.plot.*tmp`. A
 * star stands for any characters, `{ksize}` for any number, because a plotter may make another k than was ordered; every
 * pattern holds the plot's own id, 64 hex digits, so that it fits no other plot's files.
 */

export const PLOT_ID = /^[0-9a-f]{64}$/;

const ID_PLACE = '{plot_id}';
const ANY_ID = '([0-9a-f]{64})';

/** None while the id is not known: without it a pattern may fit anything. */
export function tempNamesOf(temp: readonly string[], plotId: string | null | undefined): RegExp[] {
  if (plotId === null || plotId === undefined || !PLOT_ID.test(plotId)) return [];
  return withId(temp, plotId);
}

/** Those of any plot; the first group is its id. */
export function tempNamesOfAny(temp: readonly string[]): RegExp[] {
  return withId(temp, ANY_ID);
}

function withId(temp: readonly string[], id: string): RegExp[] {
  return temp
    .filter((pattern) => pattern.includes(ID_PLACE))
    .map((pattern) => {
      const parts = pattern.split(/(\{plot_id\}|\{ksize\}|\*)/).map((part) => {
        if (part === ID_PLACE) return id;
        if (part === '{ksize}') return '[0-9]+';
        return part === '*' ? '[^/]*' : part.replace(/[.\\^$+?()[\]{}|-]/g, '\\$&');
      });
      return new RegExp(`^${parts.join('')}$`);
    });
}
