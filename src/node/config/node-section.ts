/** What can be configured of a node itself, whichever systems it runs. */

import { z } from 'zod';
import { ADDRESS_RULE, parseAddress } from '../../base/address.js';
import { messageOf } from '../../base/errors.js';
import { isId } from '../../base/field-rules.js';
import { closest } from '../../base/suggestion.js';
import { parseConnectionString } from '../../runtime/event-store/eventstoredb/connection/connection-string.js';
import { configSection, meant, wholeNumber } from './config-section.js';

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;

/** The value of `store` for the store in the data directory. */
export const EMBEDDED = 'embedded';

const Listen = meant(
  z
    .string(ADDRESS_RULE)
    .refine((text) => parseAddress(text) !== undefined, ADDRESS_RULE)
    .default('127.0.0.1:50051'),
  { rule: ADDRESS_RULE, meaning: 'Where the node answers.' },
);

const HttpListen = meant(
  z
    .string(ADDRESS_RULE)
    .refine((text) => parseAddress(text) !== undefined, ADDRESS_RULE)
    .optional(),
  {
    rule: ADDRESS_RULE,
    meaning:
      'Where the node answers over HTTP, 127.0.0.1:50080 for instance (see docs/http.md). Left out, it does not.',
  },
);

const HOSTS_RULE = 'must be a list of names, HOST or HOST:PORT';
const HttpHosts = meant(
  z
    .array(
      z.string(HOSTS_RULE).refine((name) => parseAddress(withPort(name)) !== undefined, HOSTS_RULE),
      HOSTS_RULE,
    )
    .optional(),
  {
    rule: HOSTS_RULE,
    meaning:
      'Names under which the node is asked for over HTTP, beside its address and localhost. Others are refused.',
  },
);

const DATA_RULE = 'must be the path of a directory, without NUL or line breaks';
const Data = meant(z.string(DATA_RULE).refine(isPath, DATA_RULE).default('./data'), {
  rule: DATA_RULE,
  meaning:
    'The directory of all that owl keeps on this machine; made when it is missing (a node wants its parent to be there). A relative path counts from the directory of the file that says so, otherwise from the working directory.',
  isPath: true,
});

const WORKER_ID_RULE = isId('') ?? 'must be an id';
const WorkerId = meant(
  z
    .string(WORKER_ID_RULE)
    .refine((text) => isId(text) === undefined, WORKER_ID_RULE)
    .optional(),
  {
    rule: WORKER_ID_RULE,
    meaning:
      'The id of this machine as a worker. Left out, the node makes one at its first start and keeps it in its data directory; what runs work on a machine then takes that of its node.',
  },
);

const ACCESS = ['open', 'required'] as const;
const ACCESS_RULE = `must be ${ACCESS.join(' or ')}`;
const AccessRule = meant(z.enum(ACCESS, ACCESS_RULE).optional(), {
  rule: ACCESS_RULE,
  meaning:
    'Whether callers have to say who they are: `required`: all of them, by a token or a certificate; `open`: nobody, but for what chooses a program to run and what changes something over HTTP. Left out, what there was before tokens needs none on this machine, and a node that others can reach does not start (see docs/security.md).',
});

const FILE_RULE = 'must be the path of a file, without NUL or line breaks';
/** A relative path counts as that of `data`. */
function file(meaning: string) {
  return meant(z.string(FILE_RULE).refine(isPath, FILE_RULE).optional(), {
    rule: FILE_RULE,
    meaning,
    isPath: true,
  });
}

const TLS = {
  cert: file('The certificate that the node shows, with those between it and its authority, as PEM.'),
  key: file('The key of that certificate, as PEM.'),
  client_ca: file('The authorities whose certificates say who a caller is, as PEM (see docs/security.md).'),
  ca: file('The authorities whose certificates owl believes when it calls a node, as PEM.'),
  client_cert: file('The certificate that owl shows when it calls a node, as PEM.'),
  client_key: file('The key of that certificate, as PEM.'),
};

const STORE_RULE = 'must be embedded, or esdb://… or esdb+discover://… for EventStoreDB';
const Store = meant(
  z
    .string(STORE_RULE)
    .superRefine((text, context) => {
      const problem = problemOfStore(text);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .default('embedded'),
  {
    rule: STORE_RULE,
    meaning:
      'Where the history is kept: `embedded` in the data directory, `esdb://…` on EventStoreDB for a fleet (see docs/fleet.md).',
  },
);

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
const StoreCredentialsFile = meant(z.string(PATH_RULE).refine(isPath, PATH_RULE).optional(), {
  rule: PATH_RULE,
  meaning:
    'The file whose first line is `user:password` for EventStoreDB, instead of what `store` says. A relative path counts as that of `data`.',
  isPath: true,
});

const LEVEL_RULE = `must be one of ${LOG_LEVELS.join(', ')}`;
const LogLevel = meant(z.enum(LOG_LEVELS, LEVEL_RULE).default('info'), {
  rule: LEVEL_RULE,
  meaning: 'How much is logged.',
});

const LOG_FORMATS = ['json', 'line'] as const;
const FORMAT_RULE = `must be one of ${LOG_FORMATS.join(', ')}`;
const LogFormat = meant(z.enum(LOG_FORMATS, FORMAT_RULE).default('json'), {
  rule: FORMAT_RULE,
  meaning: 'How it is logged: `json`, an object a line for programs; `line`, text for people.',
});

const LIMITS = {
  mailbox: wholeNumber(
    { from: 1, to: 1_000_000, otherwise: 4096 },
    'Commands that may wait for one actor, a task for instance; more are refused until some are done.',
  ),
  live_actors: wholeNumber(
    { from: 16, to: 1_000_000, otherwise: 20_000 },
    'Actors kept in memory at once; others are rebuilt from their history when they are needed.',
  ),
  recoveries: wholeNumber(
    { from: 1, to: 1024, otherwise: 32 },
    'Actors rebuilt from their history at the same time.',
  ),
};

/** @param names the systems that there are; a node runs the first where nobody says otherwise */
function systemsOf(names: readonly string[]) {
  const rule = `must be a list of systems, each once and at least one (there are ${names.join(', ')})`;
  return meant(
    z
      .array(z.string(rule), rule)
      .min(1, rule)
      .superRefine((given, context) => {
        const unknown = given.find((name) => !names.includes(name));
        const problem = unknown === undefined ? undefined : problemOfName(unknown, names);
        if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
        else if (new Set(given).size < given.length) context.addIssue({ code: 'custom', message: rule });
      })
      .default(() => names.slice(0, 1)),
    {
      rule: 'must be a list of systems, each once and at least one; in the environment and on the command line with commas between',
      meaning: 'What this node runs.',
    },
  );
}

function problemOfName(name: string, names: readonly string[]): string {
  const meantName = closest(name, names);
  const question = meantName === undefined ? '' : `; did you mean ${meantName}?`;
  return `must hold systems that there are (${names.join(', ')}), and there is no "${name}"${question}`;
}

/** @param systems the names of those that there are */
export function nodeSection(systems: readonly string[]) {
  return configSection(
    z.strictObject({
      listen: Listen,
      http_listen: HttpListen,
      http_hosts: HttpHosts,
      data: Data,
      worker_id: WorkerId,
      access: AccessRule,
      token_file: file(
        'The file whose first line is the token that owl shows when it calls a node; not needed for a node on this machine.',
      ),
      tls: z.strictObject(TLS).prefault({}),
      store: Store,
      store_credentials_file: StoreCredentialsFile,
      systems: systemsOf(systems),
      log: z.strictObject({ level: LogLevel, format: LogFormat }).prefault({}),
      limits: z.strictObject(LIMITS).prefault({}),
    }),
  );
}

/** All paths are absolute. */
export type NodeConfig = ReturnType<ReturnType<typeof nodeSection>['parse']>;

function withPort(name: string): string {
  return /:\d{1,5}$/.test(name) ? name : `${name}:80`;
}

function isPath(text: string): boolean {
  return text.length > 0 && !['\0', '\n', '\r'].some((bad) => text.includes(bad));
}
