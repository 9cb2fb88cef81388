/** What the processes of one owner have that those of another have not: a name, a mark and fields of the owner's own. */

import { createHash } from 'node:crypto';

/**
 * How an owner names and describes its processes. Key and own fields stand flat in its records and in its messages to the
 * keeper, beside those of every process.
 */
export interface ProcessKind<Key extends object, Own extends Key> {
  /** One of them in messages, logs and names of cgroups: `plot`, `job`. Lower case letters. */
  readonly noun: string;
  /** The variable that marks each of them and whatever it starts; its value is the path of the record. */
  readonly variable: string;
  /**
   * Whether records and ends must outlive a loss of power, and not only whoever wrote them. See
   * docs/decisions/0024-processes-of-any-owner.md.
   */
  readonly synced: boolean;
  /** Names its files: one name for each key, fit for a file name. */
  nameOf(key: Key): string;
  /** The other way round; undefined when no key has that name. */
  keyNamed(name: string): Key | undefined;
  /** Nothing but the key, out of a record or a message; undefined when there is none in it. */
  keyIn(value: object): Key | undefined;
  /** Whether these are the owner's own fields, the key among them. */
  isOwn(value: object): value is Own;
}

/** By what the processes of one record are told from all others. */
export interface ProcessMark {
  /** In the environment of each: `VARIABLE=value`. */
  readonly variable: string;
  readonly value: string;
  /** Name of the cgroup that is theirs alone, where there can be one. */
  readonly cgroup: string;
}

/** @param recordPath absolute, so one on a machine */
export function markOf(
  { noun, variable }: Pick<ProcessKind<object, object>, 'noun' | 'variable'>,
  recordPath: string,
): ProcessMark {
  const hash = createHash('sha256').update(recordPath).digest('hex').slice(0, 32);
  return { variable, value: recordPath, cgroup: `owl-${noun}-${hash}` };
}
