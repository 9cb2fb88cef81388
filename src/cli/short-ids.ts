/** Ids as tables show them: by a beginning that tells them apart. */

/** So much is always shown: enough to be unique among hundreds of thousands of random ids. */
const LEAST_SHOWN = 8;

/**
 * For each id its shortest beginning that none of the others has.
 * @param common how ids of this kind all begin; that part tells nothing apart
 */
export function shortIds(ids: readonly string[], common = ''): ReadonlyMap<string, string> {
  const sorted = [...new Set(ids)].sort();
  return new Map(
    sorted.map((id, index) => {
      const least = (id.startsWith(common) ? common.length : 0) + LEAST_SHOWN;
      const before = commonLength(id, sorted[index - 1] ?? '');
      const after = commonLength(id, sorted[index + 1] ?? '');
      return [id, id.slice(0, Math.max(least, before + 1, after + 1))];
    }),
  );
}

/** Of a list that comes page by page: so much as tells those of one page apart is shown of the next ones, too. */
export class ShownIds {
  private readonly shown = new Map<string, string>();
  private longest = 0;

  /** @param page for each id of a page what tells it apart there. @returns what stands for each so far */
  add(page: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
    this.longest = Math.max(this.longest, ...[...page.values()].map(({ length }) => length));
    for (const id of page.keys()) this.shown.set(id, id.slice(0, this.longest));
    return this.shown;
  }
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}
