/**
 * Loads the configuration: command line over environment over file over defaults. Guarantees: what comes out has passed
 * the schema and its paths are absolute; when anything is wrong in any of the three, all of it is told at once, each
 * problem with the place it stands at, the key, the rule and the value, and nothing comes out. Whoever has more to check
 * sees what is right beside it, and what can't be relied on.
 *
 * A key without a value (`listen:` in the file, `OWL_LISTEN=` in the environment) counts as not given.
 */

import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { z } from 'zod';
import { closest } from '../../base/suggestion.js';
import {
  hasCredentials,
  redact,
  whyNotInArguments,
} from '../../runtime/event-store/eventstoredb/connection/connection-string.js';
import { readConfigFile } from './config-file.js';
import {
  byPlace,
  ConfigError,
  type ConfigProblem,
  describeProblem,
  type Fault,
  faultsOf,
  isGiven,
  isTree,
  type KnownKeys,
  type Layer,
  shown,
  type Tree,
  valueAt,
  wholeOf,
  withoutEmpty,
} from './config-problems.js';
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
  /** By key: what a command calls its option where that is not the key's own flag, `--device`. */
  readonly flagNames?: Readonly<Record<string, string>>;
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
  readonly source: ConfigSource | undefined;
  /** By key: `owl.yaml:3:1`, `OWL_LISTEN`, `--listen` or `default`. */
  readonly origins: ReadonlyMap<string, string>;
}

/** The file that was read. */
export interface ConfigSource {
  /** Absolute. */
  readonly path: string;
  /** `store` has a user and a password in it, whether or not that counts. */
  readonly hasPassword: boolean;
}

/** A configuration that may be wrong. What is wrong counts in it as not given. */
export interface ExaminedConfig {
  /** Rules of keys that are broken, in every source. */
  readonly problems: readonly ConfigProblem[];
  /** As it was named; undefined when none was read. */
  readonly file: string | undefined;
  readonly source: ConfigSource | undefined;
  readonly node: NodeConfig;
  /** The same of the owner of a section. */
  of<Config>(section: ConfigSection<Config>): Config;
  /** Where the value of a key, or of what is in a table, is said; `default` when nobody says it. */
  place(path: readonly string[]): string;
  /** Whether nobody can tell what was meant with a key, or with what is in a table: nothing follows from it then. */
  isWrong(path: readonly string[]): boolean;
  /** What was said there, also where it is wrong. */
  said(path: readonly string[]): unknown;
}

/** All that can be configured: the node's section, and that of each system. */
export class Settings implements KnownKeys {
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
    const { problems, file, source, node: config, of, origins, merged } = this.read(sources);
    if (problems.length > 0) throw new ConfigError(problems);
    const shown = { ...this.schema.parse(merged), data: config.data, store: redact(config.store) };
    return { config, of, shown, file, source, origins };
  }

  /** For whoever has more to check than the rules of keys: what there is to see also where some of it is wrong. */
  examine(sources: ConfigSources): ExaminedConfig {
    return this.read(sources);
  }

  private read(sources: ConfigSources) {
    const file = configFile(sources);
    const layers = [flagLayer(this, sources), environmentLayer(this, sources)];
    if (file !== undefined) layers.push(fileLayer(this, sources.cwd, file));
    const source = file === undefined ? undefined : sourceOf(resolve(sources.cwd, file), layers.at(-1));
    const examined = layers.map((layer) => ({
      ...layer,
      faults: [...layer.faults, ...faultsOf(this, layer)].sort(byPlaceOfProblem),
    }));
    const problems = examined.flatMap(({ faults }) => faults.map(({ problem }) => problem));
    const place = (path: readonly string[]): string =>
      layers.find(({ values }) => isGiven(valueAt(values, path)))?.place(path) ?? 'default';
    const isWrong = (path: readonly string[]): boolean => whoSays(examined, path) === 'wrong';
    const said = (path: readonly string[]): unknown =>
      layers.map(({ values }) => valueAt(values, path)).find(isGiven);
    const merged = this.merge(examined);
    const of = <Config>(section: ConfigSection<Config>): Config =>
      section.parse(Object.fromEntries(Object.entries(merged).filter(([name]) => name in section.shape)));
    const config = of(this.node);
    const node = { ...config, data: resolve(sources.cwd, config.data) };
    const origins = new Map(this.keys.map(({ key, path }) => [key, place(path)]));
    return { problems, file, source, merged, of, node, place, origins, isWrong, said };
  }

  /** What counts: only what is known, and can be relied on. */
  private merge(layers: readonly Layer[]): Tree {
    const merged: Tree = {};
    for (const { path, isPath } of this.keys) {
      const layer = whoSays(layers, path);
      if (layer === undefined || layer === 'wrong') continue;
      const value = valueAt(layer.values, path);
      setAt(merged, path, isPath ? fromBase(layer.base, value) : value);
    }
    for (const path of this.tables.map((table) => table.split('.'))) {
      const layer = whoSays(layers, path);
      if (layer === undefined || layer === 'wrong') continue;
      const entries = withoutEmpty(valueAt(layer.values, path));
      const sound = isTree(entries)
        ? Object.entries(entries).filter(([name]) => whoSays([layer], [...path, name]) !== 'wrong')
        : [];
      setAt(merged, path, Object.fromEntries(sound));
    }
    return merged;
  }

  /** The keys of a configuration with their values as they may be shown, in the order of the declarations. */
  values({ shown }: LoadedConfig): [key: string, value: unknown][] {
    return this.keys.map(({ key, path }) => [key, valueAt(shown, path)]);
  }
}

/** A path, or each of a list. */
function fromBase(base: string, value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => fromBase(base, one));
  return typeof value === 'string' ? resolve(base, value) : value;
}

/** The first source that says it, rightly or not; undefined when none does. */
function whoSays<L extends Layer>(layers: readonly L[], path: readonly string[]): L | 'wrong' | undefined {
  for (const layer of layers) {
    const isOpen = layer.faults.some((fault) => fault.path?.every((name, at) => name === path[at]));
    if (isOpen) return 'wrong';
    if (isGiven(valueAt(layer.values, path))) return layer;
  }
  return undefined;
}

function byPlaceOfProblem(a: Fault, b: Fault): number {
  return byPlace(a.problem, b.problem);
}

function configFile({ file, env, cwd }: ConfigSources): string | undefined {
  const named = file ?? env[CONFIG_VARIABLE];
  if (named !== undefined && named !== '') return named;
  return existsSync(resolve(cwd, CONFIG_FILE_NAME)) ? CONFIG_FILE_NAME : undefined;
}

function fileLayer(settings: Settings, cwd: string, name: string): Layer {
  const path = resolve(cwd, name);
  const { readings, faults: found } = readConfigFile(name, path);
  const [first, ...others] = readings;
  const layer = { values: first?.values ?? {}, base: dirname(path), place: first?.place ?? (() => name) };
  const told = found.map((fault) => ({
    problem: { place: fault.place, key: fault.path.join('.'), rule: fault.rule, value: undefined },
    path: fault.isOpen ? wholeOf(settings, fault.path) : undefined,
  }));
  const more = others.flatMap((reading) => {
    // What they have in common with the first one is told with that.
    const known = new Set(faultsOf(settings, layer).map(({ problem }) => describeProblem(problem)));
    return faultsOf(settings, reading).filter(({ problem }) => !known.has(describeProblem(problem)));
  });
  return { ...layer, faults: [...told, ...more] };
}

function sourceOf(path: string, layer: Layer | undefined): ConfigSource {
  const store = valueAt(layer?.values, ['store']);
  return { path, hasPassword: typeof store === 'string' && hasCredentials(store) };
}

function environmentLayer(settings: Settings, { env, cwd }: ConfigSources): Layer {
  const values: Tree = {};
  for (const key of settings.keys) setAt(values, key.path, typed(key, env[key.variable]));

  const faults: Fault[] = [];
  const known = [...settings.keys.map(({ variable }) => variable), CONFIG_VARIABLE, SERVER_VARIABLE];
  for (const [name, value] of Object.entries(env)) {
    if (!name.startsWith('OWL_') || known.includes(name)) continue;
    // Other programs may have variables of this prefix; only a slip in one of ours is an error.
    const meant = closest(name, known);
    if (meant === undefined) continue;
    const rule = `is no setting; did you mean ${meant}?`;
    const { path } = settings.keys.find(({ variable }) => variable === meant) ?? {};
    faults.push({ problem: { place: name, key: '', rule, value: shown(value) }, path });
  }
  const place = (path: readonly string[]): string => settings.keyAt(path)?.variable ?? 'the environment';
  return { values, base: cwd, faults, place };
}

function flagLayer(settings: Settings, { flags = {}, flagNames = {}, cwd }: ConfigSources): Layer {
  const values: Tree = {};
  for (const key of settings.keys) setAt(values, key.path, typed(key, flags[key.key]));
  const { store = '' } = flags;
  const rule = whyNotInArguments(store, 'store_credentials_file');
  const problem = { place: '--store', key: 'store', rule: rule ?? '', value: undefined };
  const faults = rule === undefined ? [] : [{ problem, path: ['store'] }];
  const place = (path: readonly string[]): string =>
    flagNames[path.join('.')] ?? settings.keyAt(path)?.flag ?? 'the command line';
  return { values, base: cwd, faults, place };
}

/** Environment and command line know only text: numbers are read where the key is one. Text that is none is left to the check. */
function typed(key: ConfigKey, text: string | undefined): unknown {
  if (text === undefined || text === '') return undefined;
  if (key.kind === 'list') return text.split(',').map((entry) => entry.trim());
  const isNumber = key.kind === 'number' && /^-?[0-9]+(\.[0-9]+)?$/.test(text);
  return isNumber ? Number(text) : text;
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
