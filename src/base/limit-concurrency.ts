/** A gate that lets at most `limit` pieces of asynchronous work run at once; the others wait their turn, first come first served. */
export function limitConcurrency(limit: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = limit;
  const waiting: (() => void)[] = [];

  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      // The place is handed on without being free in between, so nobody can overtake.
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
