/** The options that every command takes, and what follows from them: where the node is, and clients for it. */

import type { Command } from 'commander';
import { type Address, formatAddress, localAddress, parseAddress } from '../base/address.js';
import { localTokenFile } from '../node/access/access-file.js';
import { isLoopback } from '../node/access/loopback.js';
import { asBound, isOwnAddress } from '../node/access/own-address.js';
import { type LoadedConfig, SERVER_VARIABLE } from '../node/config/config.js';
import { ConfigError } from '../node/config/config-problems.js';
import { ANY_NODE, type Called } from '../wire/call-error.js';
import type { ClientCredentials } from '../wire/credentials.js';
import { NodeClient } from '../wire/node-client.js';
import type { ServiceClient, ServiceClientOptions } from '../wire/service-client.js';
import { UsageError } from './exit.js';
import type { Cli } from './system.js';

const SERVER_RULE = 'must be HOST:PORT or [IPv6]:PORT with a port from 1 to 65535';

export interface GlobalOptions {
  readonly server?: string;
  readonly json?: boolean;
  readonly config?: string;
}

export function addGlobalOptions(program: Command): void {
  program
    .option('--server <HOST:PORT>', `the node to talk to (env: ${SERVER_VARIABLE}; default: as configured)`)
    .option('--config <FILE>', 'the configuration file (env: OWL_CONFIG; default: ./owl.yaml if it is there)')
    .option('--json', 'print raw values for programs: nothing is shortened, what was not given is left out');
}

/**
 * @param flags what the command line says about configuration keys
 * @param flagNames what the command calls those options where that is not the key's own flag
 */
export function configOf(
  cli: Cli,
  options: GlobalOptions,
  flags: Readonly<Record<string, string | undefined>> = {},
  flagNames: Readonly<Record<string, string>> = {},
): LoadedConfig {
  return cli.settings.load({ file: options.config, env: cli.env, cwd: cli.cwd, flags, flagNames });
}

/** Runs `work` with a client for what the node tells of itself, and closes it. The client ends with the command. */
export async function withNode(
  cli: Cli,
  options: GlobalOptions,
  work: (node: NodeClient) => Promise<void>,
): Promise<void> {
  await withClient(new NodeClient({ ...clientOptions(cli, options), called: calledOf(cli) }), work);
}

/** Runs `work` with the client and closes it, however that ends. */
export async function withClient<C extends ServiceClient, T>(
  client: C,
  work: (client: C) => Promise<T>,
): Promise<T> {
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** Where there is one system people call the node what they call that one's. */
function calledOf({ systems }: Cli): Called {
  const [only, ...others] = systems;
  return (others.length === 0 ? only?.called : undefined) ?? ANY_NODE;
}

/** How a client reaches the node that was asked for; it ends with the command. */
export function clientOptions(cli: Cli, options: GlobalOptions): ServiceClientOptions {
  const server = serverOf(cli, options);
  return {
    server: formatAddress(server),
    signal: AbortSignal.any([cli.interrupted, cli.out.closed]),
    credentials: credentialsOf(configOf(cli, options), server),
  };
}

/**
 * What is shown to a node. The token that owl has on this machine goes to the node of its data directory alone, where that said
 * that it answers (own-address.ts).
 * @param server where the node answers, as it is called
 */
export function credentialsOf({ config }: LoadedConfig, server: Address): ClientCredentials {
  const { data, listen, token_file, tls } = config;
  const own = parseAddress(listen);
  const isHere =
    isLoopback(formatAddress(server)) ||
    (own !== undefined && formatAddress(localAddress(own)) === formatAddress(server));
  const { ca, client_cert: cert, client_key: key } = tls;
  const ownCertificate = isHere ? tls.cert : undefined;
  const isPlain = [ca, cert, key, ownCertificate].every((file) => file === undefined);
  // Asked each time: what is started beside a node may be there before it.
  const mayBeShown = () => isOwnAddress(data, server);
  return {
    tls: isPlain ? undefined : { ca, cert, key, own: ownCertificate },
    token:
      token_file === undefined
        ? { file: localTokenFile(data), isOptional: true, mayBeShown }
        : { file: token_file },
  };
}

/** The same for what a command starts that runs on. @param server HOST:PORT */
export function credentialsAt(loaded: LoadedConfig, server: string): ClientCredentials {
  return credentialsOf(loaded, parseAddress(server) ?? { host: '', port: 0 });
}

/** HOST:PORT of the node that was asked for. @throws OwlError kind `invalid` when it can't be meant, or nothing names one */
export function nodeAddress(cli: Cli, options: GlobalOptions): string {
  return formatAddress(serverOf(cli, options));
}

/** The command line says it, or the environment, or it is the node that this machine's configuration describes. */
function serverOf(cli: Cli, options: GlobalOptions): Address {
  const fromEnvironment = cli.env[SERVER_VARIABLE];
  const named =
    options.server === undefined
      ? fromEnvironment && namedServer(fromEnvironment, SERVER_VARIABLE)
      : namedServer(options.server, '--server');
  const { config, origins } = configOf(cli, options);
  if (named) return config.tls.cert === undefined ? asBound(config.data, named) : named;
  const listen = parseAddress(config.listen);
  if (listen === undefined || listen.port === 0) {
    throw new UsageError(
      `${origins.get('listen')}: listen is ${config.listen}, which takes any free port; say with --server where the node is`,
    );
  }
  return localAddress(listen);
}

/** @param place what named it. @throws ConfigError when it can't be meant */
function namedServer(text: string, place: string): Address {
  const address = parseAddress(text);
  if (address !== undefined && address.port !== 0) return address;
  throw new ConfigError([{ place, key: '', rule: SERVER_RULE, value: JSON.stringify(text) }]);
}
