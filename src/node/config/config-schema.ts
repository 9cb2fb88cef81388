/**
 * What can be configured: every key with its rule, default and meaning, declared once. The type, the check, the names of
 * environment variables and flags, the help and the test of docs/configuration.md all follow from this declaration.
 *
 * Names follow from the key by rule: `leases.default_seconds` is OWL_LEASES_DEFAULT_SECONDS in the environment and
 * --leases-default-seconds on a command line (where a command offers it).
 */

import { z } from 'zod';
import { ADDRESS_RULE, parseAddress } from '../../base/address.js';
import { messageOf } from '../../base/errors.js';
import { isId } from '../../base/field-rules.js';
import { parseConnectionString } from '../../runtime/event-store/eventstoredb/connection/connection-string.js';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** The value of `store` for the store in the data directory. */
export const EMBEDDED = 'embedded';

const meanings = z.registry<{ readonly rule: string; readonly meaning: string }>();

const Listen = z
  .string(ADDRESS_RULE)
  .refine((text) => parseAddress(text) !== undefined, ADDRESS_RULE)
  .default('127.0.0.1:50051')
  .register(meanings, { rule: ADDRESS_RULE, meaning: 'Where talent answers.' });

const DATA_RULE = 'must be the path of a directory, without NUL or line breaks';
const Data = z.string(DATA_RULE).refine(isPath, DATA_RULE).default('./data').register(meanings, {
  rule: DATA_RULE,
  meaning:
    'The directory of all that owl keeps on this machine; made when it is missing (a talent wants its parent to be there). A relative path counts from the directory of the file that says so, otherwise from the working directory.',
});

const WORKER_ID_RULE = isId('') ?? 'must be an id';
const WorkerId = z
  .string(WORKER_ID_RULE)
  .refine((text) => isId(text) === undefined, WORKER_ID_RULE)
  .optional()
  .register(meanings, {
    rule: WORKER_ID_RULE,
    meaning:
      'The id of this machine as a worker. Left out, talent makes one at its first start and keeps it in its data directory; a supervisor then takes that of its talent.',
  });

const STORE_RULE = 'must be embedded, or esdb://… or esdb+discover://… for EventStoreDB';
const Store = z
  .string(STORE_RULE)
  .superRefine((text, context) => {
    const problem = problemOfStore(text);
    if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
  })
  .default('embedded')
  .register(meanings, {
    rule: STORE_RULE,
    meaning:
      'Where the history is kept: `embedded` in the data directory, `esdb://…` on EventStoreDB for a fleet (see docs/fleet.md).',
  });

function problemOfStore(text: string): string | undefined {
  if (text === EMBEDDED) return undefined;
  if (!/^esdb(\+discover)?:/.test(text)) return STORE_RULE;
  try {
    parseConnectionString(text);
    return undefined;
  } catch (error) {
    return `${STORE_RULE}; ${messageOf(error)}`;
  }
}

const PATH_RULE = 'must be the path of a file, without NUL or line breaks';
const StoreCredentialsFile = z.string(PATH_RULE).refine(isPath, PATH_RULE).optional().register(meanings, {
  rule: PATH_RULE,
  meaning:
    'The file whose first line is `user:password` for EventStoreDB, instead of what `store` says. A relative path counts as that of `data`.',
});

const LEVEL_RULE = `must be one of ${LOG_LEVELS.join(', ')}`;
const LogLevel = z
  .enum(LOG_LEVELS, LEVEL_RULE)
  .default('info')
  .register(meanings, { rule: LEVEL_RULE, meaning: 'How much is logged.' });

function wholeNumber(range: { from: number; to: number; otherwise: number }, meaning: string) {
  const rule = `must be a whole number from ${range.from} to ${range.to}`;
  return z
    .int(rule)
    .min(range.from, rule)
    .max(range.to, rule)
    .default(range.otherwise)
    .register(meanings, { rule, meaning });
}

const HOUR = 3600;
const DAY = 24 * HOUR;

const NAME_RULE = 'must be 1 to 32 small letters, digits, dashes or underscores, and begin with a letter';
const Name = z.string(NAME_RULE).regex(/^[a-z][a-z0-9_-]{0,31}$/, NAME_RULE);

const PLACES = ['cache', 'dest'] as const;
const ARGV_RULE =
  'must be a list: the program, then its arguments as texts, or as lists of texts where some are left out together';
const PLOTTERS_RULE = 'must hold declarations of plotters, by name';
const Plotter = z.strictObject({
  argv: z.array(z.union([z.string().min(1), z.array(z.string()).min(1)]), ARGV_RULE).min(1, ARGV_RULE),
  format: z.string('must name the format of its log'),
  temp: z.array(z.string(), 'must be a list of patterns').default([]),
  fills: z.array(z.enum(PLACES), `must be a list of ${PLACES.join(' and ')}`).default(() => [...PLACES]),
  environment: z.array(z.string(), 'must be a list of names of variables').default([]),
});

export const ConfigSchema = z.strictObject({
  listen: Listen,
  data: Data,
  worker_id: WorkerId,
  store: Store,
  store_credentials_file: StoreCredentialsFile,
  log: z.strictObject({ level: LogLevel }).prefault({}),
  leases: z
    .strictObject({
      default_seconds: wholeNumber(
        { from: 1, to: HOUR, otherwise: 30 },
        'How long a supervisor that names no time of its own may be silent before it counts as lost.',
      ),
      give_up_seconds: wholeNumber(
        { from: 1, to: 7 * DAY, otherwise: 600 },
        'How long a supervisor stays lost before its tasks fail.',
      ),
    })
    .prefault({}),
  limits: z
    .strictObject({
      mailbox: wholeNumber(
        { from: 1, to: 1_000_000, otherwise: 4096 },
        'Commands that may wait for one task; more are refused until some are done.',
      ),
      live_actors: wholeNumber(
        { from: 16, to: 1_000_000, otherwise: 20_000 },
        'Tasks kept in memory at once; others are rebuilt from their history when they are needed.',
      ),
      recoveries: wholeNumber(
        { from: 1, to: 1024, otherwise: 32 },
        'Tasks rebuilt from their history at the same time.',
      ),
    })
    .prefault({}),
  supervisor: z
    .strictObject({
      plotter: Name.default('chia').register(meanings, {
        rule: NAME_RULE,
        meaning: 'Which plotter makes the plots of this machine: a shipped one or one of `plotters`.',
      }),
      max_plots: wholeNumber({ from: 1, to: 1000, otherwise: 4 }, 'Plots made at the same time.'),
      max_per_cache: wholeNumber(
        { from: 1, to: 1000, otherwise: 4 },
        'Plots made at the same time with the same cache directory.',
      ),
      stagger_seconds: wholeNumber(
        { from: 0, to: DAY, otherwise: 0 },
        'How long after one plot the next one is started at the earliest.',
      ),
      grace_seconds: wholeNumber(
        { from: 0, to: HOUR, otherwise: 30 },
        'How long a plotter that is stopped gets to end by itself before it is killed.',
      ),
      keep_logs_days: wholeNumber(
        { from: 0, to: 3650, otherwise: 90 },
        'How long the logs of plots are kept that are over; 0 keeps them for ever.',
      ),
    })
    .prefault({}),
  /** By name. Not a setting with a default, but a table: in the file only. */
  plotters: z
    .record(Name, Plotter, { error: ({ code }) => (code === 'invalid_key' ? NAME_RULE : PLOTTERS_RULE) })
    .default(() => ({})),
});

/** The effective configuration. `data` and `store_credentials_file` are absolute. Durations are seconds, as their names say. */
export type OwlConfig = z.infer<typeof ConfigSchema>;

export interface ConfigKey {
  /** `leases.default_seconds` */
  readonly key: string;
  readonly path: readonly string[];
  /** `OWL_LEASES_DEFAULT_SECONDS` */
  readonly variable: string;
  /** `--leases-default-seconds` */
  readonly flag: string;
  readonly kind: 'text' | 'number';
  /** Undefined when there is none. */
  readonly fallback: string | number | undefined;
  readonly rule: string;
  readonly meaning: string;
}

/** Paths: a relative one counts from where it is said. */
export const PATH_KEYS: readonly string[] = ['data', 'store_credentials_file'];

/** What holds as many entries as there are, under names of their own. */
export const TABLES: readonly string[] = ['plotters'];

/** Every key, in the order they are declared. */
export const CONFIG_KEYS: readonly ConfigKey[] = keysOf(ConfigSchema, []);

/** Sections are keys that only hold other keys. */
export const CONFIG_SECTIONS: readonly string[] = [
  ...new Set(CONFIG_KEYS.flatMap(({ path }) => (path.length > 1 ? [path.slice(0, -1).join('.')] : []))),
];

function keysOf(section: z.ZodObject, above: readonly string[]): ConfigKey[] {
  return Object.entries(section.shape).flatMap(([name, schema]) => {
    const path = [...above, name];
    const inner = schema instanceof z.ZodPrefault ? schema.unwrap() : schema;
    if (TABLES.includes(name)) return [];
    if (inner instanceof z.ZodObject) return keysOf(inner, path);
    return [keyAt(path, schema)];
  });
}

function keyAt(path: readonly string[], schema: unknown): ConfigKey {
  const key = path.join('.');
  const [value, fallback] = unwrapped(schema);
  const meaning = schema instanceof z.ZodType ? meanings.get(schema) : undefined;
  if (meaning === undefined) throw new Error(`the configuration key ${key} is declared without a meaning`);
  return {
    key,
    path,
    variable: `OWL_${path.join('_').toUpperCase()}`,
    flag: `--${path.join('-').replaceAll('_', '-')}`,
    kind: value instanceof z.ZodNumber ? 'number' : 'text',
    fallback: typeof fallback === 'string' || typeof fallback === 'number' ? fallback : undefined,
    ...meaning,
  };
}

function unwrapped(schema: unknown): [value: unknown, fallback: unknown] {
  if (schema instanceof z.ZodDefault) return [schema.unwrap(), schema.def.defaultValue];
  if (schema instanceof z.ZodOptional) return [schema.unwrap(), undefined];
  return [schema, undefined];
}

function isPath(text: string): boolean {
  return text.length > 0 && !['\0', '\n', '\r'].some((bad) => text.includes(bad));
}
