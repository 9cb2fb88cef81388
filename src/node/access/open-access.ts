/**
 * Who may ask this node, as it is configured and as its data directory has it.
 *
 * Guarantees: a node that others can reach serves nobody without credentials unless its configuration says `access: open`, or is
 * from before that key and was open then: it goes on as it did, and says at each start what to write; what the data directory says of who is
 * known is read before anything is served.
 */

import { existsSync } from 'node:fs';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import type { ActorSystem } from '../../runtime/actors/actor-system.js';
import type { NodeConfig } from '../config/node-section.js';
import { Access, type AccessMode } from './access.js';
import { localTokenFile, prepareAccess } from './access-file.js';
import { Denials } from './denials.js';
import { deniedCaller, noteDenied } from './denied-caller.js';
import { KnownCallers } from './known-callers.js';
import { isLoopback, reachedAt } from './loopback.js';

export interface OpenAccessOptions {
  /** The data directory. */
  readonly data: string;
  readonly mode: AccessMode;
  readonly system: Pick<ActorSystem, 'execute'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * To be asked before anything is opened but the data directory.
 * @param isKnown a node has worked in the data directory before
 * @throws OwlError kind `refused` when it would serve everybody and nobody said so, `invalid` when who is known can't be meant
 */
export async function accessMode(
  {
    access,
    listen,
    http_listen: http,
    data,
    tls,
  }: Pick<NodeConfig, 'access' | 'listen' | 'http_listen' | 'data' | 'tls'>,
  isKnown: boolean,
  logger: Logger,
): Promise<AccessMode> {
  const { from_before: isFromBefore } = await prepareAccess(data, isOfBefore({ listen, data }, isKnown));
  const {
    mode,
    warning,
    listen: others,
  } = saidAccess({ access, listen, http_listen: http, tls }, isFromBefore);
  if (warning !== undefined) logger.warn({ listen: others }, warning);
  return mode;
}

/**
 * Whether a data directory that says nothing of who is known yet is that of a node from before there were roles which others can
 * reach: nobody is to be shut out by an upgrade, and what was not open before is not opened by one.
 * @param isKnown a node has worked in it before
 */
export function isOfBefore({ listen, data }: Pick<NodeConfig, 'listen' | 'data'>, isKnown: boolean): boolean {
  return isKnown && !isLoopback(listen) && !existsSync(localTokenFile(data));
}

/** What the configuration says of who may ask. */
export interface SaidAccess {
  readonly mode: AccessMode;
  /** Where others reach the node; empty when nobody does. */
  readonly listen: string;
  /** For people. */
  readonly warning?: string;
}

/**
 * @param isFromBefore the data directory is of a node from before there were roles
 * @throws OwlError kind `refused` when it would serve everybody and nobody said so
 */
export function saidAccess(
  config: Pick<NodeConfig, 'access' | 'listen' | 'http_listen' | 'tls'>,
  isFromBefore: boolean,
): SaidAccess {
  const { access, http_listen: http, tls } = config;
  const listen = reachedAt(config);
  if (access === 'required') {
    if (listen === '' || tls.cert !== undefined) return { mode: access, listen };
    const warning =
      'others can read the tokens that callers show, for they come in plain text: set tls.cert and tls.key';
    return { mode: access, listen, warning };
  }
  if (access === 'open' || listen === '') return { mode: access ?? 'as-before', listen };
  // There was no HTTP before there was access.
  if (!isFromBefore || (http !== undefined && !isLoopback(http)))
    throw new OwlError(
      'refused',
      `this node listens on ${listen}, which others can reach, and nothing says who may ask: set \`access: required\` (tokens are made with \`owl access add\`), or \`access: open\` where everybody may order and stop work`,
    );
  const warning =
    'others can reach this node and nothing says who may ask, so everybody may order and stop work: set access (open or required), and tls.cert and tls.key';
  return { mode: 'as-before', listen, warning };
}

/** What was denied is stored as events of the node's own. */
export function openAccess({ data, mode, system, clock, logger }: OpenAccessOptions): Access {
  const denials = new Denials({
    clock,
    logger,
    record: (call) => system.execute(deniedCaller, call.caller, noteDenied(call)),
  });
  return new Access({ mode, known: new KnownCallers(data, logger), denials });
}
