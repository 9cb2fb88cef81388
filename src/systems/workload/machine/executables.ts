/**
 * What the jobs of this machine may run: programs as data, by name. A job names one of them and gives arguments; everything else of
 * its command line stands here.
 *
 * Guarantees: a command line is an argv array from the beginning, so no shell reads what somebody has ordered; a value fills its
 * place within one element and never becomes two, but for {args} and {inputs}, which are elements of their own; what a declaration
 * can't do for a job is said before anything is started.
 */

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { z } from 'zod';
import { OwlError } from '../../../base/errors.js';
import { wordsOf } from '../../../base/words.js';
import { DEVICES } from '../devices.js';

/** What can stand between braces in an argv. */
export const PLACEHOLDERS = ['args', 'in', 'inputs', 'inputs_file', 'out', 'log', 'job_id', 'seq'] as const;

type Placeholder = (typeof PLACEHOLDERS)[number];

/** They stand for as many elements as there are, so nothing else can be in theirs. */
const SEVERAL: ReadonlySet<string> = new Set(['args', 'inputs']);
/** Of a command line; more go into a file. */
export const MOST_INPUTS_IN_ARGV = 200;

const PLACEHOLDER = /\{([a-z_]+)\}/g;
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Set for each job. */
const OWN_VARIABLES: ReadonlySet<string> = new Set([
  ...['OWL_JOB', 'OWL_DEVICE', 'OWL_PAYLOAD', 'CUDA_VISIBLE_DEVICES', 'TMPDIR'],
]);
const DAY_SECONDS = 86_400;

const NAME_RULE =
  'must be 1 to 50 letters, digits, dots, dashes or underscores, and begin with a letter or digit';
export const EXECUTABLES_RULE = 'must hold declarations of executables, by name';
export const EXECUTABLE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/;
export const ExecutableName = z.string(NAME_RULE).regex(EXECUTABLE_NAME, NAME_RULE);

/** Of one element of an argv. */
export function problemOfArgument(element: string): string | undefined {
  if (element.includes('\0')) return 'must hold no NUL';
  for (const name of placeholdersIn(element)) {
    if (!PLACEHOLDERS.some((known) => known === name))
      return `{${name}} is no placeholder; there are ${PLACEHOLDERS.map((one) => `{${one}}`).join(' ')}`;
    if (SEVERAL.has(name) && element !== `{${name}}`)
      return `{${name}} stands for as many elements as there are, so it must be one of its own`;
  }
  return undefined;
}

/** Of the first one. */
export function problemOfProgram(program: string): string | undefined {
  if (program === '') return 'must begin with the program';
  if (placeholdersIn(program).length > 0) return 'must begin with the program itself, not with a placeholder';
  return program.includes('/') && !isAbsolute(program)
    ? 'must begin with an absolute path, or a name that is found in PATH'
    : undefined;
}

export function problemOfVariable(name: string): string | undefined {
  if (!VARIABLE.test(name)) return 'must be the name of a variable: letters, digits and underscores';
  return OWN_VARIABLES.has(name) ? `${name} is set by owl for each job` : undefined;
}

const ARGV_RULE = 'must be a list: the program, then its arguments as texts (quote numbers)';
const Argv = z
  .array(obeying(z.string(ARGV_RULE), problemOfArgument), ARGV_RULE)
  .min(1, ARGV_RULE)
  .superRefine(([program = ''], context) => {
    const message = problemOfProgram(program);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** One declaration, as it stands in the configuration. */
export const Executable = z.strictObject(
  {
    argv: Argv,
    /** For merges. Default: the same. */
    merge_argv: Argv.optional(),
    /** Default: either. */
    device: z.enum(DEVICES, 'must be cpu or gpu').optional(),
    /** How long a job may run whose order says nothing of it. Default: for ever. */
    timeout_seconds: whole(1, 30 * DAY_SECONDS).optional(),
    /** Names of variables that a job gets to see of the pilot's environment, beside PATH and LANG. */
    environment: z
      .array(
        obeying(z.string('must be the name of a variable'), problemOfVariable),
        'must be a list of names of variables',
      )
      .default(() => []),
    /** Default: as the pilot has it. */
    looping_seconds: whole(0, 7 * DAY_SECONDS).optional(),
    /** Default: as the pilot has it. */
    log_limit_mib: whole(1, 1_024).optional(),
    /** Of one output. Default: as large as it comes. */
    largest_output_mib: whole(1, 1_048_576).optional(),
  },
  { error: ({ code }) => (code === 'invalid_type' ? 'must be a declaration with argv' : undefined) },
);

export type ExecutableDeclaration = z.output<typeof Executable>;
export type ExecutableTable = Readonly<Record<string, ExecutableDeclaration>>;

function whole(from: number, to: number) {
  const rule = `must be a whole number from ${from} to ${to}`;
  return z.int(rule).min(from, rule).max(to, rule);
}

function obeying(text: z.ZodString, problemOf: (text: string) => string | undefined) {
  return text.superRefine((value, context) => {
    const message = problemOf(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

/** What of one job goes into its command line; paths are absolute. */
export interface CommandValues {
  readonly mode: string;
  readonly args: string;
  readonly inputs: readonly string[];
  /** Has the paths of the inputs, one a line. */
  readonly inputsFile: string;
  readonly out: string;
  readonly log: string;
  readonly jobId: string;
  readonly seq: number;
}

/** @throws OwlError kind `invalid` when the declaration does not go with the job, or its arguments are none */
export function commandFor(
  name: string,
  { argv, merge_argv }: ExecutableDeclaration,
  values: CommandValues,
): string[] {
  const words = wordsOf(values.args);
  const { inputs } = values;
  const [one, ...more] = inputs;
  const texts: Readonly<Record<Exclude<Placeholder, 'args' | 'inputs'>, string>> = {
    ...{ in: one ?? '', inputs_file: values.inputsFile, out: values.out, log: values.log },
    ...{ job_id: values.jobId, seq: String(values.seq) },
  };
  const template = values.mode === 'merge' && merge_argv !== undefined ? merge_argv : argv;
  const used = new Set(template.flatMap(placeholdersIn));
  if (used.has('in') && (one === undefined || more.length > 0))
    throw new OwlError(
      'invalid',
      `executable ${name} takes one input ({in}), and the job has ${inputs.length}: declare it with {inputs} or {inputs_file}`,
    );
  if (used.has('inputs') && inputs.length > MOST_INPUTS_IN_ARGV)
    throw new OwlError(
      'invalid',
      `executable ${name} takes its inputs in its command line ({inputs}), which has room for ${MOST_INPUTS_IN_ARGV}, and the job has ${inputs.length}: declare it with {inputs_file}`,
    );
  if (words.length > 0 && !used.has('args'))
    throw new OwlError('invalid', `executable ${name} takes no arguments, for its declaration has no {args}`);
  return template.flatMap((element) => {
    if (element === '{args}') return words;
    if (element === '{inputs}') return inputs;
    return element.replace(PLACEHOLDER, (_whole, found: string) => String(Reflect.get(texts, found) ?? ''));
  });
}

/**
 * The program of a command line as an absolute path; undefined when it is not installed.
 * @param path as in the environment variable PATH
 */
export function findProgram(program: string, path: string): string | undefined {
  const candidates = program.includes('/')
    ? [program]
    : path
        .split(delimiter)
        .filter((directory) => isAbsolute(directory))
        .map((directory) => join(directory, program));
  return candidates.find(isExecutable);
}

function placeholdersIn(element: string): string[] {
  return [...element.matchAll(PLACEHOLDER)].flatMap(([, name]) => name ?? []);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
