/** Runs a node in this process until it is told to stop: what `owl node run` and the service commands of systems do. */

import { formatAddress, localAddress, parseAddress } from '../base/address.js';
import { OwlError } from '../base/errors.js';
import type { LoadedConfig } from '../node/config/config.js';
import type { NodeConfig } from '../node/config/node-section.js';
import type { ServedSystem } from '../node/system.js';
import { toJson } from './format.js';
import type { GlobalOptions } from './globals.js';
import { loggerOf, untilInterrupted } from './service.js';
import type { Terminal } from './terminal.js';

export interface RunNodeOptions {
  /** How messages call it, `owl talent`. */
  readonly name: string;
  readonly systems: readonly ServedSystem[];
  readonly config: LoadedConfig;
}

/** Says on stdout where it serves, once it does. */
export async function runNode(
  terminal: Terminal,
  { json = false }: GlobalOptions,
  { name, systems, config: loaded }: RunNodeOptions,
): Promise<void> {
  const { config } = loaded;
  // Loaded here, because no other command needs what a service needs.
  const { startNode } = await import('../node/node.js');
  const node = await startNode({ systems, config: loaded, logger: loggerOf(terminal, config) });
  try {
    const { address, httpAddress, workerId } = node;
    const told = `${name} serves at ${servedAt(config, address, httpAddress)} as worker ${workerId}, with its data in ${config.data}`;
    await terminal.out.line(
      json
        ? toJson({
            address,
            http_address: httpAddress,
            worker_id: workerId,
            data: config.data,
            pid: process.pid,
          })
        : told,
    );
    await untilInterrupted(
      terminal,
      node.lost.then((cause) => failBecauseLost(name, cause)),
    );
    await terminal.err.line(`${name} is stopping; a second signal ends it at once`);
  } finally {
    await node.stop();
  }
}

/** Both roads, for people: HTTP by an address that a browser can be given. */
export function servedAt(
  { tls }: Pick<NodeConfig, 'tls'>,
  address: string,
  http: string | undefined,
): string {
  const scheme = tls.cert === undefined ? 'http' : 'https';
  const listening = http === undefined ? undefined : parseAddress(http);
  if (listening === undefined) return address;
  return `${address} and ${scheme}://${formatAddress(localAddress(listening))}`;
}

/** The reason stands in the log by now. */
function failBecauseLost(name: string, cause: OwlError): never {
  throw new OwlError(
    'unavailable',
    `${name} has ended, since it can not rely on its data directory any more; its log says why`,
    { cause },
  );
}
