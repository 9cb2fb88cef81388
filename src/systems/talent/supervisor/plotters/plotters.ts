/**
 * Plotters as data: which versions a declaration is for, how they are called, what their log looks like, what they make, and
 * which room and temp files that takes.
 *
 * Guarantees: a command line is an argv array from the beginning, so no shell ever reads what a peer has sent; a value
 * fills its place within one element and never becomes two; a plotter that lacks a value it can't do without, or can't make the
 * k that is ordered, is not started.
 */

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Logger } from 'pino';
import { messageOf, OwlError } from '../../../../base/errors.js';
import { PACKAGE_ROOT } from '../../../../base/package-root.js';
import { PLOTS } from '../../machine/plot-record.js';
import { isShared } from '../../machine/temp-names.js';
import { assertMakes, whyNotCompressed } from './abilities.js';
import type { PlotterDeclaration } from './declaration.js';
import { type PlotOrder, plotIdFor } from './plot-order.js';

export type { PlotSizes, PlotterDeclaration } from './declaration.js';

/** What can stand between braces in an argv. */
export const PLACEHOLDERS = [
  'task_id',
  'ksize',
  'threads',
  'buffer',
  'buckets',
  'stripe_size',
  'cache1',
  'cache2',
  'dest',
  'fpk',
  'ppk',
  'contract',
  'memo',
  'plot_id',
  'file_name',
  'compression',
  'node',
  'player',
  'recording',
] as const;

type Placeholder = (typeof PLACEHOLDERS)[number];

const PLACEHOLDER = /\{([a-z0-9_]+)\}/g;
/** A pool's contract address, where others give the pool's public key. */
const CONTRACT = /^t?xch1[a-z0-9]+$/;
const HEX_KEY = /^(0x)?[0-9a-fA-F]+$/;

const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** A file name with the plot's id, which is too long to be part of another name, and an end that no finished plot has. */
const TEMP_PATTERN = /^(?:[^/{}]|\{ksize\})*\{plot_id\}(?:[^/{}]|\{ksize\})*tmp$/;

/**
 * The command line for an order.
 * @throws OwlError kind `invalid` naming what the plotter can't do without, or what may not stand in a command line
 */
export function commandFor(plotter: PlotterDeclaration, order: PlotOrder): string[] {
  const { name, argv, compression = 0 } = plotter;
  assertMakes(plotter, order.ksize);
  const values = valuesFor(order, compression);
  return argv.flatMap((element) => {
    if (typeof element !== 'string') {
      const filled = element.map((part) => fill(part, values));
      return filled.every((part) => part !== undefined) ? filled : [];
    }
    const filled = fill(element, values);
    if (filled !== undefined) return filled;
    const missing = placeholdersIn(element).find((placeholder) => values.get(placeholder) === undefined);
    throw new OwlError('invalid', `plotter ${name} needs ${missing}, which the order does not give`);
  });
}

/** The plot id that the command line sets; null when the plotter makes its own. */
export function plotIdSetBy({ argv }: PlotterDeclaration, order: PlotOrder): string | null {
  const sets = argv
    .flat()
    .some((element) => element.includes('{plot_id}') || element.includes('{file_name}'));
  return sets ? plotIdFor(order) : null;
}

/** What is wrong with a declaration, as rules for whoever wrote it. */
export function problemsOf(declaration: PlotterDeclaration): string[] {
  const { argv, temp, environment = [] } = declaration;
  const [program] = argv;
  return [
    ...(typeof program === 'string' ? [] : ['argv must begin with the program']),
    ...argv.flat().flatMap((element) => problemOfArgument(element) ?? []),
    ...temp.flatMap((pattern) => problemOfTemp(pattern) ?? problemOfShared(pattern, declaration) ?? []),
    ...environment.flatMap((name) => problemOfVariable(name) ?? []),
  ];
}

/** Of one element of an argv. */
export function problemOfArgument(element: string): string | undefined {
  const unknown = placeholdersIn(element).find((name) => !isPlaceholder(name));
  if (unknown === undefined) return undefined;
  return `{${unknown}} is no placeholder; there are ${PLACEHOLDERS.join(', ')}`;
}

export function problemOfTemp(pattern: string): string | undefined {
  if (TEMP_PATTERN.test(pattern) || isShared(pattern)) return undefined;
  return `temp pattern "${pattern}" must be a file name with {plot_id}, and {ksize} at the most beside it, that ends with tmp, so that it fits neither another plot's files nor a finished plot; one without {plot_id} must begin with a letter and hold no star, and {number} at the most in braces`;
}

/** Names that are the same for all plots are for who makes one at a time. */
export function problemOfShared(
  pattern: string,
  { max_per_cache }: Pick<PlotterDeclaration, 'max_per_cache'>,
): string | undefined {
  if (!isShared(pattern) || max_per_cache === 1) return undefined;
  return `temp pattern "${pattern}" has no {plot_id}, so all plots in a cache would share these files: it needs max_per_cache: 1 beside it`;
}

export function problemOfVariable(name: string): string | undefined {
  if (VARIABLE.test(name) && name !== PLOTS.variable) return undefined;
  return `environment "${name}" must be the name of a variable, letters, digits and underscores, and not ${PLOTS.variable}, which owl sets; its value comes from the supervisor's environment`;
}

/**
 * The program of a plotter as an absolute path.
 * @param path as in the environment variable PATH
 * @throws OwlError kind `not_found` naming plotter and program
 */
export function findExecutable(plotter: PlotterDeclaration, path: string): string {
  const found = executableOf(plotter, path);
  if (found !== undefined) return found;
  throw new OwlError('not_found', `plotter ${plotter.name}: ${whyNoProgram(plotter, path)}`);
}

/** The sentence, without the plotter's name; undefined when its program is there. */
export function whyNoProgram(plotter: PlotterDeclaration, path: string): string | undefined {
  if (executableOf(plotter, path) !== undefined) return undefined;
  const program = programOf(plotter);
  const where = program.includes('/') ? 'is not there or not executable' : 'is in no directory of PATH';
  return `its program ${program} ${where}; install it`;
}

function executableOf(plotter: PlotterDeclaration, path: string): string | undefined {
  const program = programOf(plotter);
  const candidates = program.includes('/')
    ? [program]
    : path
        .split(delimiter)
        .filter((directory) => directory !== '')
        .map((directory) => join(directory, program));
  return candidates.find(isExecutable);
}

function programOf({ argv }: PlotterDeclaration): string {
  const [first = ''] = argv.flat();
  return fill(first, FIXED_VALUES) ?? first;
}

/**
 * The plotter with that name. Programs that are missing are logged: tasks say so too, and start once it is installed.
 * @throws OwlError kind `invalid` when it is not declared, or a declaration is wrong
 */
export function choosePlotter(
  name: string,
  declared: readonly PlotterDeclaration[],
  path: string,
  logger: Logger,
): PlotterDeclaration {
  const others: string[] = [];
  for (const plotter of declared) {
    const [problem] = problemsOf(plotter);
    if (problem !== undefined) throw new OwlError('invalid', `plotter ${plotter.name}: ${problem}`);
    try {
      findExecutable(plotter, path);
    } catch (error) {
      if (plotter.name === name)
        logger.error({ plotter: name, reason: messageOf(error) }, 'the program of a plotter is missing');
      else others.push(plotter.name);
    }
  }
  if (others.length > 0) logger.info({ plotters: others }, 'programs of plotters not in use are missing');
  const chosen = declared.find((plotter) => plotter.name === name);
  const uncompressed = chosen === undefined ? undefined : whyNotCompressed(chosen);
  if (uncompressed !== undefined) throw new OwlError('invalid', uncompressed);
  if (chosen !== undefined) return chosen;
  const names = declared.map((plotter) => plotter.name).join(', ');
  throw new OwlError('invalid', `plotter ${name} is not declared; there are ${names}`);
}

const FIXED_VALUES: ReadonlyMap<string, string> = new Map([
  ['node', process.execPath],
  ['player', fileURLToPath(new URL('../../player/player.js', import.meta.url))],
  ['recording', join(PACKAGE_ROOT, 'demo', 'madmax-k32.txt')],
]);

function valuesFor(order: PlotOrder, compression: number): ReadonlyMap<string, string> {
  const { task_id, ksize, threads, buffer, cache1, cache2, dest_path } = order;
  const fpk = keyOf('fpk', order.fpk);
  const pool = keyOf('ppk', order.ppk);
  const isContract = pool !== undefined && CONTRACT.test(pool);
  // Plots below the size that can be farmed are for tests, on little memory.
  const isSmall = ksize < 32;
  const plotId = plotIdFor(order);
  const values: Record<Placeholder, string | undefined> = {
    task_id,
    ksize: String(ksize),
    threads: String(threads),
    buffer: String(buffer),
    buckets: isSmall ? '16' : '128',
    stripe_size: isSmall ? '2048' : '65536',
    cache1,
    cache2,
    dest: dest_path,
    fpk,
    ppk: isContract ? undefined : pool,
    contract: isContract ? pool : undefined,
    memo: memoOf(fpk, pool),
    plot_id: plotId,
    file_name: `plot-k${ksize}-${plotId}.plot`,
    compression: compression === 0 ? undefined : String(compression),
    node: FIXED_VALUES.get('node'),
    player: FIXED_VALUES.get('player'),
    recording: FIXED_VALUES.get('recording'),
  };
  return new Map(
    Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/** A key could otherwise pose as an option of the plotter. */
function keyOf(field: string, key: string | undefined): string | undefined {
  if (key === undefined || HEX_KEY.test(key) || CONTRACT.test(key)) return key;
  throw new OwlError('invalid', `${field} is neither a key in hex nor a contract address`);
}

/** Pool key and farmer key, as they begin a plot's memo; none when one of them is unknown. */
function memoOf(fpk: string | undefined, pool: string | undefined): string | undefined {
  if (fpk === undefined || pool === undefined || CONTRACT.test(pool)) return undefined;
  return [pool, fpk].map((key) => key.replace(/^0x/, '')).join('');
}

/** Undefined when a placeholder has no value. */
function fill(element: string, values: ReadonlyMap<string, string>): string | undefined {
  let isComplete = true;
  const filled = element.replace(PLACEHOLDER, (_whole, name: string) => {
    const value = values.get(name);
    if (value === undefined) isComplete = false;
    return value ?? '';
  });
  return isComplete ? filled : undefined;
}

function placeholdersIn(element: string): string[] {
  return [...element.matchAll(PLACEHOLDER)].flatMap(([, name]) => name ?? []);
}

function isPlaceholder(name: string): boolean {
  return PLACEHOLDERS.some((known) => known === name);
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
