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
import { closest } from '../../base/suggestion.js';
import {
  hasCredentials,
  redact,
} from '../../runtime/event-store/eventstoredb/connection/connection-string.js';
import { readConfigFile } from './config-file.js';
import {
  ConfigError,
  type ConfigProblem,
  isGiven,
  isTree,
  type KnownKeys,
  type Layer,
  problemsOf,
  shown,
  type Tree,
  valueAt,
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

/** A configuration that may be wrong. */
export interface ExaminedConfig {
  /** Rules of keys that are broken, in every source. */
  readonly problems: readonly ConfigProblem[];
  /** As it was named; undefined when none was read. */
  readonly file: string | undefined;
  /** Undefined when something of it is wrong. */
  readonly node: NodeConfig | undefined;
  /** The same of the owner of a section. */
  of<Config>(section: ConfigSection<Config>): Config | undefined;
  /** Where the value of a key, or of what is in a table, is said; `default` when nobody says it. */
  place(path: readonly string[]): string;
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
    const { problems, file, node, of, origins, merged } = this.read(sources);
    const config = node();
    if (problems.length > 0 || config === undefined) throw new ConfigError(problems);
    const shown = { ...this.schema.parse(merged), data: config.data, store: redact(config.store) };
    return { config, of: (section) => of(section), shown, file, origins };
  }

  /** For whoever has more to check than the rules of keys: what there is to see also where some of it is wrong. */
  examine(sources: ConfigSources): ExaminedConfig {
    const { problems, file, node, of, place } = this.read(sources);
    const sound = <Config>(section: ConfigSection<Config>): Config | undefined =>
      unlessWrong(() => of(section));
    return { problems, file, node: node(), of: sound, place };
  }

  private read(sources: ConfigSources) {
    const problems: ConfigProblem[] = [];
    const file = configFile(sources);
    const layers = [flagLayer(this, sources, problems), environmentLayer(this, sources, problems)];
    if (file !== undefined) layers.push(...fileLayer(sources.cwd, file, problems));
    for (const layer of layers) problems.push(...problemsOf(this, layer));
    const place = (path: readonly string[]): string =>
      layers.find(({ values }) => isGiven(valueAt(values, path)))?.place(path) ?? 'default';
    const merged = this.merge(layers);
    const of = <Config>(section: ConfigSection<Config>): Config =>
      section.parse(Object.fromEntries(Object.entries(merged).filter(([name]) => name in section.shape)));
    const node = (): NodeConfig | undefined => {
      const config = unlessWrong(() => of(this.node));
      return config && { ...config, data: resolve(sources.cwd, config.data) };
    };
    const origins = new Map(this.keys.map(({ key, path }) => [key, place(path)]));
    return { problems, file, merged, of, node, place, origins };
  }

  /** What counts, also where it is wrong. Only what is known. */
  private merge(layers: readonly Layer[]): Tree {
    const merged: Tree = {};
    for (const { path, isPath } of this.keys) {
      const layer = layers.find(({ values }) => isGiven(valueAt(values, path)));
      if (layer === undefined) continue;
      const value = valueAt(layer.values, path);
      setAt(merged, path, isPath && typeof value === 'string' ? resolve(layer.base, value) : value);
    }
    for (const table of this.tables) {
      const entries = layers.map(({ values }) => valueAt(values, [table])).find(isGiven);
      setAt(merged, [table], withoutEmpty(entries));
    }
    return merged;
  }

  /** The keys of a configuration with their values as they may be shown, in the order of the declarations. */
  values({ shown }: LoadedConfig): [key: string, value: unknown][] {
    return this.keys.map(({ key, path }) => [key, valueAt(shown, path)]);
  }
}

function unlessWrong<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof z.ZodError) return undefined;
    throw error;
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

function flagLayer(settings: Settings, { flags = {}, cwd }: ConfigSources, problems: ConfigProblem[]): Layer {
  const values: Tree = {};
  for (const key of settings.keys) setAt(values, key.path, typed(key, flags[key.key]));
  if (flags['store'] !== undefined && hasCredentials(flags['store'])) {
    const rule =
      'must name no user and password on the command line, which others can see; put them into a file (store_credentials_file)';
    problems.push({ place: '--store', key: 'store', rule, value: undefined });
  }
  return { values, base: cwd, place: (path) => settings.keyAt(path)?.flag ?? 'the command line' };
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
