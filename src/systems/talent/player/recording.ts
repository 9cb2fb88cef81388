/**
 * A plotter's recorded log, made ready to be played: its lines with other ids and directories in them, and how long the
 * plot once took.
 *
 * Guarantees: what is not replaced stays as it was recorded, byte for byte, whatever its encoding; what there is to
 * replace is found in the log itself, in the words of chiapos, madMAx and bladebit.
 */

/** What stands in the played log instead of what was recorded. Left out: as recorded. */
export interface Replacements {
  readonly plotId?: string | undefined;
  readonly memo?: string | undefined;
  readonly tempDir?: string | undefined;
  readonly temp2Dir?: string | undefined;
  readonly finalDir?: string | undefined;
  /** Of the plot, with `.plot`. Default: as recorded, made to hold the plot id when another one is given. */
  readonly fileName?: string | undefined;
}

export interface Recording {
  /** With their line ends; each character is one byte (`latin1`). */
  readonly lines: readonly string[];
  /** Of the plot, as these lines call it; undefined when they don't. */
  readonly fileName: string | undefined;
  /** What the plot took, by the longest time its log tells; 0 when it tells none. */
  readonly seconds: number;
}

const PLOT_ID = /^ID: ([0-9a-f]+)|^Generating plot \d[^:]*: ([0-9a-f]+)|^Plot Name: plot-\S*-([0-9a-f]+)/m;
const MEMO = /Memo: ([0-9a-f]+)/;
const TEMP_DIR = /temporary dirs: (.+) and |^Working Directory: +(.+?)\/?$/m;
const TEMP2_DIR = /temporary dirs: .+ and (.+)$|^Working Directory 2: +(.+?)\/?$/m;
const FINAL_DIR = /^Final Directory is: (.+)$|^Final Directory: +(.+?)\/?$|^ Output path +: (.+?)\/?$/m;
const FILE_NAME = /([^\s"/=]+\.plot)\b/;
const TIME = /([0-9]+(?:\.[0-9]+)?) sec/g;

export function readRecording(log: Buffer, replacements: Replacements = {}): Recording {
  const text = log.toString('latin1');
  const { plotId, memo, tempDir, temp2Dir, finalDir } = replacements;
  const recordedId = find(PLOT_ID, text);
  const recordedName = find(FILE_NAME, text);
  const fileName = replacements.fileName ?? renamed(recordedName, recordedId, plotId);
  // In this order: what comes first is looked for first.
  const words = [
    [recordedName, fileName],
    [recordedId, plotId],
    [find(MEMO, text), memo],
  ] as const;
  const directories = [
    [find(FINAL_DIR, text), finalDir],
    [find(TEMP_DIR, text), tempDir],
    [find(TEMP2_DIR, text), temp2Dir],
  ] as const;
  const lines = replace(text, words, directories).split(/(?<=\n)/);
  return {
    lines: lines.filter((line) => line !== ''),
    fileName,
    seconds: Math.max(0, ...[...text.matchAll(TIME)].map(([, seconds]) => Number(seconds))),
  };
}

function find(pattern: RegExp, text: string): string | undefined {
  return pattern
    .exec(text)
    ?.slice(1)
    .find((group) => group !== undefined);
}

/** Plots of different ids that lie in the same directories must not have the same name. */
function renamed(
  name: string | undefined,
  recordedId: string | undefined,
  plotId: string | undefined,
): string | undefined {
  if (name === undefined || plotId === undefined) return name;
  if (recordedId !== undefined && name.includes(recordedId)) return name.replace(recordedId, plotId);
  return name.replace(/\.plot$/, `-${plotId}.plot`);
}

type Pair = readonly [recorded: string | undefined, instead: string | undefined];

/** In one pass, so that nothing is replaced twice. A directory is one where a path can begin and only as a whole name. */
function replace(text: string, words: readonly Pair[], directories: readonly Pair[]): string {
  const wordsInstead = given(words);
  const directoriesInstead = given(directories);
  const longestFirst = [...directoriesInstead.keys()].sort((a, b) => b.length - a.length);
  const alternatives = [
    ...[...wordsInstead.keys()].map(escaped),
    ...longestFirst.map((path) => `(?<=["\\s])${escaped(path)}(?=["\\s/])`),
  ];
  if (alternatives.length === 0) return text;
  return text.replaceAll(
    new RegExp(alternatives.join('|'), 'g'),
    (found) => wordsInstead.get(found) ?? directoriesInstead.get(found) ?? found,
  );
}

/** Those with something recorded and something else to stand there, in the log's bytes. */
function given(pairs: readonly Pair[]): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const [recorded, instead] of pairs) {
    if (recorded === undefined || instead === undefined || found.has(recorded)) continue;
    found.set(recorded, Buffer.from(instead).toString('latin1'));
  }
  return found;
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, '\\$&');
}
