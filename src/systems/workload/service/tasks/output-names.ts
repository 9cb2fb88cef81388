/**
 * What jobs are to write is called after what they read: `{stem}.j{number}{ending}`, the log `{stem}.j{number}.log`.
 *
 * Guarantees: no two jobs of a task get the same name; with the attempt that a pilot puts before the ending a name has at most 50
 * characters, whatever the input is called and however many jobs there are: the stem is cut where it has to be.
 */

const LONGEST_NAME = 50;
/** `.a` and the number of an attempt. */
const ROOM_FOR_ATTEMPT = '.a99999'.length;
/** A longer one belongs to the stem. */
const LONGEST_ENDING = 16;
/** What would read as the number of a job or of an attempt. */
const OWN = /^\.[aj]\d+$/;

/** @param input the name of the first file that the job reads @param mode of the task */
export function outputName(input: string, seq: number, mode: string): string {
  const { stem, ending } = partsOf(input);
  return named(mode === 'merge' ? 'merged' : stem, seq, ending);
}

export function logName(input: string, seq: number, mode: string): string {
  return named(mode === 'merge' ? 'merged' : partsOf(input).stem, seq, '.log');
}

function named(stem: string, seq: number, ending: string): string {
  const rest = `.j${seq}${ending}`;
  return `${cut(stem, LONGEST_NAME - ROOM_FOR_ATTEMPT - rest.length)}${rest}`;
}

/** Never in the middle of a character. */
function cut(text: string, most: number): string {
  let kept = '';
  for (const character of text) {
    if (kept.length + character.length > most) break;
    kept += character;
  }
  return kept;
}

function partsOf(name: string): { readonly stem: string; readonly ending: string } {
  const at = name.lastIndexOf('.');
  const ending = at <= 0 ? '' : name.slice(at);
  return ending.length > LONGEST_ENDING || OWN.test(ending)
    ? { stem: name, ending: '' }
    : { stem: name.slice(0, name.length - ending.length), ending };
}
