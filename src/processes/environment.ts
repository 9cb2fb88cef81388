/**
 * What kept processes, and the programs that start them, get to see of this process' environment.
 *
 * Guarantee: nothing that is not named here or by their owner, so no password that somebody gave to owl.
 */

/** Every process has these. */
export const INHERITED: readonly string[] = ['PATH', 'HOME', 'LANG', 'TZ'];

/** What Node may need to start, besides. None of it is passed on to what a keeper starts. */
const FOR_NODE: readonly string[] = ['LD_LIBRARY_PATH', 'NODE_OPTIONS', 'TMPDIR'];

export type Environment = Readonly<Record<string, string>>;

/** @param named by the owner */
export function processEnvironment(named: readonly string[] = [], from = process.env): Environment {
  return pick([...INHERITED, ...named], from);
}

export function keeperEnvironment(from = process.env): Environment {
  return pick([...INHERITED, ...FOR_NODE], from);
}

/** Of a program of owl that needs the rest: its configuration may be there. */
export function environmentWithout(names: ReadonlySet<string>, from = process.env): Environment {
  return pick(
    Object.keys(from).filter((name) => !names.has(name)),
    from,
  );
}

function pick(names: readonly string[], from: NodeJS.ProcessEnv): Environment {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name];
      return value === undefined ? [] : [[name, value]];
    }),
  );
}
