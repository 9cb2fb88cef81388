/**
 * Loads the configuration: command line over environment over file over defaults. Guarantees: what comes out has passed
 * the schema and its paths are absolute; when anything is wrong in any of the three, all of it is told at once, each
 * problem with the place it stands at, the key, the rule and the value, and nothing comes out.
 *
 * A key without a value (`listen:` in the file, `OWL_LISTEN=` in the environment) counts as not given.
 */

import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { OwlError } from '../../base/errors.js';
import { closest } from '../../base/suggestion.js';
import { redact } from '../../runtime/event-store/eventstoredb/connection/connection-string.js';
import { readConfigFile } from './config-file.js';
import { type ConfigKey, type ConfigSection, keysOf, tablesOf } from './config-section.js';
import { type NodeConfig, nodeSection } from './node-section.js';

export const CONFIG_FILE_NAME = 'owl.yaml';
/** Names the configuration file. */
export const CONFIG_VARIABLE = 'OWL_CONFIG';
/** Names the node that client commands talk to. */
export const SERVER_VARIABLE = 'OWL_SERVER';

export interface ConfigSources {
  /** Must exist. Default: the file OWL_CONFIG names, else owl.yaml in `cwd` if it is there. */
  readonly file?: string | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** What the command line said, by key (`log.level`). */
  readonly flags?: Readonly<Record<string, string | undefined>>;
}

export interface LoadedConfig {
  /** What concerns the node itself. */
  readonly config: NodeConfig;
  /** What concerns the owner of that section, which is one of those that the settings were made of. */
  of<Config>(section: ConfigSection<Config>): Config;
  /** Everything, as it may be shown: without credentials. */
  readonly shown: Readonly<Record<string, unknown>>;
  /** As it was named; undefined when none was read. */
  readonly file: string | undefined;
  /** By key: `owl.yaml:3:1`, `OWL_LISTEN`, `--listen` or `default`. */
  readonly origins: ReadonlyMap<string, string>;
}

export interface ConfigProblem {
  /** File with line and column, environment variable or flag. */
  readonly place: string;
  /** Empty when it is about the place as a whole. */
  readonly key: string;
  readonly rule: string;
  /** As it is shown, shortened and without credentials; undefined when there is none to show. */
  readonly value: string | undefined;
}

/** The configuration can't be used. The message tells every problem. */
export class ConfigError extends OwlError {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const lines = problems.map(describeProblem);
    const [only] = lines;
    const all = `the configuration has ${lines.length} problems:\n  ${lines.join('\n  ')}`;
    super('invalid', lines.length === 1 && only !== undefined ? only : all);
    this.problems = problems;
  }
}

/** One source of settings. */
interface Layer {
  readonly values: unknown;
  /** Relative paths count from here. */
  readonly base: string;
  place(path: readonly string[]): string;
}

/** All that can be configured: the node's section, and that of each system. */
export class Settings {
  /** Every key, in the order they are declared. */
  readonly keys: readonly ConfigKey[];
  /** Those of the node itself. */
  readonly nodeKeys: readonly ConfigKey[];
  /** Keys that only hold other keys. */
  readonly sections: readonly string[];
  readonly tables: readonly string[];
  readonly schema: z.ZodObject;
  private readonly node: ConfigSection<NodeConfig>;

  /** @param systems those that there are, the usual one first; no two of them have the same name at the top of the file */
  constructor(systems: readonly { readonly name: string; readonly config: ConfigSection<unknown> }[]) {
    this.node = nodeSection(systems.map(({ name }) => name));
    const shapes = [this.node.shape, ...systems.map(({ config }) => config.shape)];
    this.schema = z.strictObject(Object.assign({}, ...shapes));
    this.keys = keysOf(this.schema.shape);
    this.nodeKeys = keysOf(this.node.shape);
    this.tables = tablesOf(this.schema.shape);
    const nested = this.keys.filter(({ path }) => path.length > 1);
    this.sections = [...new Set(nested.map(({ path }) => path.slice(0, -1).join('.')))];
  }

  keyAt(path: readonly string[]): ConfigKey | undefined {
    const key = path.join('.');
    return this.keys.find((known) => known.key === key);
  }

  /** @throws ConfigError with every problem of every source */
  load(sources: ConfigSources): LoadedConfig {
    const problems: ConfigProblem[] = [];
    const file = configFile(sources);
    const layers = [flagLayer(this, sources), environmentLayer(this, sources, problems)];
    if (file !== undefined) layers.push(...fileLayer(sources.cwd, file, problems));
    for (const layer of layers) problems.push(...problemsOf(this, layer));
    if (problems.length > 0) throw new ConfigError(problems);
    return this.merge(layers, file, sources.cwd);
  }

  private merge(layers: readonly Layer[], file: string | undefined, cwd: string): LoadedConfig {
    const origins = new Map<string, string>();
    const merged: Tree = {};
    for (const { key, path, isPath } of this.keys) {
      const layer = layers.find(({ values }) => isGiven(valueAt(values, path)));
      origins.set(key, layer?.place(path) ?? 'default');
      if (layer === undefined) continue;
      const value = valueAt(layer.values, path);
      setAt(merged, path, isPath && typeof value === 'string' ? resolve(layer.base, value) : value);
    }
    for (const table of this.tables)
      setAt(merged, [table], layers.map(({ values }) => valueAt(values, [table])).find(isGiven));
    const of = <Config>(section: ConfigSection<Config>): Config =>
      section.parse(Object.fromEntries(Object.entries(merged).filter(([name]) => name in section.shape)));
    const node = of(this.node);
    const config = { ...node, data: resolve(cwd, node.data) };
    const shown = { ...this.schema.parse(merged), data: config.data, store: redact(config.store) };
    return { config, of, shown, file, origins };
  }

  /** The keys of a configuration with their values as they may be shown, in the order of the declarations. */
  values({ shown }: LoadedConfig): [key: string, value: unknown][] {
    return this.keys.map(({ key, path }) => [key, valueAt(shown, path)]);
  }
}

function configFile({ file, env, cwd }: ConfigSources): string | undefined {
  const named = file ?? env[CONFIG_VARIABLE];
  if (named !== undefined && named !== '') return named;
  return existsSync(resolve(cwd, CONFIG_FILE_NAME)) ? CONFIG_FILE_NAME : undefined;
}

function fileLayer(cwd: string, name: string, problems: ConfigProblem[]): Layer[] {
  const path = resolve(cwd, name);
  const read = readConfigFile(name, path);
  if ('faults' in read) {
    problems.push(...read.faults.map((fault) => ({ ...fault, key: '', value: undefined })));
    return [];
  }
  return [{ values: read.file.values ?? {}, base: dirname(path), place: read.file.place }];
}

function environmentLayer(settings: Settings, { env, cwd }: ConfigSources, problems: ConfigProblem[]): Layer {
  const values: Tree = {};
  for (const key of settings.keys) setAt(values, key.path, typed(key, env[key.variable]));

  const known = [...settings.keys.map(({ variable }) => variable), CONFIG_VARIABLE, SERVER_VARIABLE];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('OWL_') || known.includes(name)) continue;
    // Other programs may have variables of this prefix; only a slip in one of ours is an error.
    const meant = closest(name, known);
    if (meant === undefined) continue;
    problems.push({
      place: name,
      key: '',
      rule: `is no setting; did you mean ${meant}?`,
      value: shown(value),
    });
  }
  return { values, base: cwd, place: (path) => settings.keyAt(path)?.variable ?? 'the environment' };
}

function flagLayer(settings: Settings, { flags = {}, cwd }: ConfigSources): Layer {
  const values: Tree = {};
  for (const key of settings.keys) setAt(values, key.path, typed(key, flags[key.key]));
  return { values, base: cwd, place: (path) => settings.keyAt(path)?.flag ?? 'the command line' };
}

/** Environment and command line know only text: numbers are read where the key is one. Text that is none is left to the check. */
function typed(key: ConfigKey, text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  if (key.kind === 'list') return text.split(',').map((entry) => entry.trim());
  const isNumber = key.kind === 'number' && /^-?[0-9]+(\.[0-9]+)?$/.test(text);
  return isNumber ? Number(text) : text;
}

function problemsOf(settings: Settings, layer: Layer): ConfigProblem[] {
  const checked = settings.schema.safeParse(withoutEmpty(layer.values));
  if (checked.success) return [];
  const seen = new Set<string>();
  const problems = checked.error.issues.flatMap((issue) => {
    const path = issue.path.map(String);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((name) => unknownKey(settings, layer, [...path, name]));
    const key = path.join('.');
    if (seen.has(key)) return [];
    seen.add(key);
    const rule = isLeaf(settings, path) ? issue.message : sectionRule(settings, path);
    return [{ place: layer.place(path), key, rule, value: shown(valueAt(layer.values, path)) }];
  });
  return problems.sort((a, b) => a.place.localeCompare(b.place, 'en', { numeric: true }));
}

/** Within a table or a list every rule speaks for itself. */
function isLeaf(settings: Settings, path: readonly string[]): boolean {
  const isEntry = settings.keyAt(path.slice(0, -1))?.kind === 'list';
  return isEntry || settings.keyAt(path) !== undefined || settings.tables.includes(path[0] ?? '');
}

function sectionRule(settings: Settings, path: readonly string[]): string {
  if (path.length === 0) return 'must hold keys with values, `listen: 127.0.0.1:50051` for instance';
  const names = settings.keys.filter(
    (key) => key.path.length > path.length && key.key.startsWith(`${path.join('.')}.`),
  );
  return `must be a section with keys of its own (${names.map((key) => key.path.at(-1)).join(', ')})`;
}

function unknownKey(settings: Settings, layer: Layer, path: readonly string[]): ConfigProblem {
  const key = path.join('.');
  const all = [...settings.keys.map((known) => known.key), ...settings.sections, ...settings.tables];
  const lastNames = new Map(settings.keys.map((known) => [known.path.at(-1) ?? known.key, known.key]));
  const byLastName = lastNames.get(closest(path.at(-1) ?? key, lastNames.keys()) ?? '');
  const meant = closest(key, all) ?? byLastName;
  const rule = `is not a known key${meant === undefined ? '' : `; did you mean ${meant}?`}`;
  return { place: layer.place(path), key, rule, value: shown(valueAt(layer.values, path)) };
}

function describeProblem({ place, key, rule, value }: ConfigProblem): string {
  const subject = key === '' ? `${place}: ` : `${place}: ${key} `;
  if (value === undefined) return subject + rule;
  return rule.startsWith('must ') ? `${subject}${rule}, not ${value}` : `${subject}${rule} (value: ${value})`;
}

const LONGEST_SHOWN = 80;

/** A value for a message: as JSON, shortened, and with what may be a password (`//user:password@`, also misspelt) masked. */
function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  const masked = text.replace(/(:?\/\/|:).*@/su, '$1***@');
  return masked.length > LONGEST_SHOWN ? `${masked.slice(0, LONGEST_SHOWN - 1)}…` : masked;
}

type Tree = { [key: string]: unknown };

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null;
}

function valueAt(values: unknown, path: readonly string[]): unknown {
  return path.reduce<unknown>((value, name) => (isTree(value) ? value[name] : undefined), values);
}

function setAt(tree: Tree, path: readonly string[], value: unknown): void {
  const [name, ...rest] = path;
  if (name === undefined || value === undefined) return;
  if (rest.length === 0) {
    tree[name] = value;
    return;
  }
  const below = tree[name];
  const section = isTree(below) ? below : {};
  tree[name] = section;
  setAt(section, rest, value);
}

function withoutEmpty(values: unknown): unknown {
  if (values === null) return undefined;
  if (!isTree(values)) return values;
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, withoutEmpty(value)]));
}
