/**
 * The handlers of owl.Peers: the peers of all systems of a node, by category.
 *
 * Guarantees: every request names its category, and one that no system here has is answered with those that there are; what is
 * wrong with a field is said with its name, and changes nothing.
 */

import type { Logger } from 'pino';
import { OwlError } from '../base/errors.js';
import * as rules from '../base/field-rules.js';
import type { SqlRow } from '../base/sql.js';
import type { Lease } from '../peers/held-leases.js';
import type { ServedPeers } from '../peers/served-peers.js';
import type {
  PeerAttachRequest,
  PeerBeatRequest,
  PeerLease,
  PeerLeaveRequest,
  PeerList,
  PeerStatus,
} from '../wire/peer-messages.js';
import { type ServiceAccess, workerInField } from './access/roles.js';
import { type Peer, unary } from './serving/calls.js';
import type { OpenedService } from './system.js';

const LONGEST_BODY = 16_384;
const isProtocol = rules.isWhole(1, 2 ** 31 - 1);

const workerIn = workerInField('peer_id');
export const PEERS_ACCESS: ServiceAccess = {
  attach: { roles: ['worker'], workerIn },
  beat: { roles: ['worker'], workerIn },
  leave: { roles: ['worker'], workerIn },
  list: { roles: ['reader', 'worker', 'operator'], isQuery: true },
};

export function peersHandlers(served: readonly ServedPeers[], logger: Logger) {
  const who = (category: string, peer: Peer) => `${category} ${peer.who}`;

  function of(category: string | undefined): ServedPeers {
    const name = rules.given('category', category, rules.isId);
    const found = served.find((peers) => peers.category === name);
    if (found !== undefined) return found;
    const names = served.map((peers) => peers.category).join(', ');
    const known = names === '' ? 'its systems have none' : `there are ${names}`;
    throw new OwlError('not_found', `no system of this node has peers of the category ${name}; ${known}`);
  }

  async function attach(request: PeerAttachRequest, peer: Peer): Promise<PeerLease> {
    const peers = of(request.category);
    const { peerId, sessionId } = sessionIn(request);
    const min = rules.givenNumber('protocol_min', request.protocol_min, isProtocol);
    const max = rules.givenNumber('protocol_max', request.protocol_max, rules.isWhole(min, 2 ** 31 - 1));
    const { lease, protocol } = await peers.attach(
      {
        ...{ peerId, sessionId, protocols: { min, max } },
        host: rules.optional('host', request.host, rules.isLine(255)),
        pid: rules.optionalNumber('pid', request.pid, rules.isPid),
        version: rules.optional('version', request.version, rules.isLine(64)),
        body: rules.optional('body', request.body, rules.isText(LONGEST_BODY)) ?? '',
      },
      who(peers.category, peer),
    );
    return { ...leaseMessageOf(peers, lease), protocol };
  }

  async function beat(request: PeerBeatRequest, peer: Peer): Promise<PeerLease> {
    const peers = of(request.category);
    const { peerId, sessionId } = sessionIn(request);
    return leaseMessageOf(peers, await peers.beat(peerId, sessionId, who(peers.category, peer)));
  }

  async function leave(request: PeerLeaveRequest, peer: Peer): Promise<object> {
    const peers = of(request.category);
    const { peerId, sessionId } = sessionIn(request);
    const reason = rules.optional('reason', request.reason, rules.isRemarks);
    await peers.leave(peerId, sessionId, reason, who(peers.category, peer));
    return {};
  }

  async function list({ category = '' }: { category?: string }): Promise<PeerList> {
    const wanted = category === '' ? served : [of(category)];
    const lists = await Promise.all(
      wanted.map(async (peers) => (await peers.list()).map((row) => statusMessageOf(peers, row))),
    );
    return { peers: lists.flat() };
  }

  return {
    attach: unary(logger, attach),
    beat: unary(logger, beat),
    leave: unary(logger, leave),
    list: unary(logger, list),
  };
}

/** Stops a system: its peers first, which it may be asked about until then. */
export async function stop(opened: OpenedService): Promise<void> {
  for (const peers of opened.peers ?? []) peers.stop();
  await opened.stop?.();
}

export async function ended(opened: OpenedService): Promise<void> {
  for (const peers of opened.peers ?? []) await peers.ended();
  await opened.ended?.();
}

function sessionIn({ peer_id, session_id }: PeerBeatRequest) {
  return {
    peerId: rules.given('peer_id', peer_id, rules.isId),
    sessionId: rules.given('session_id', session_id, rules.isId),
  };
}

function leaseMessageOf({ category, terms: { policy } }: ServedPeers, lease: Lease): PeerLease {
  return {
    category,
    peer_id: lease.peerId,
    session_id: lease.sessionId,
    lease_seconds: lease.leaseSeconds,
    expires_at: lease.expiresAt / 1000,
    policy: policy.kind,
    ...(policy.kind === 'end'
      ? { give_up_seconds: policy.giveUpSeconds, margin_seconds: policy.marginSeconds }
      : {}),
    ...(policy.kind === 'pause' ? { pause_share: policy.share } : {}),
  };
}

function statusMessageOf({ category, table: { idField, more = {} } }: ServedPeers, row: SqlRow): PeerStatus {
  const {
    [idField]: peerId,
    program_version: version,
    reason,
    revision: _,
    status_revision: __,
    ...rest
  } = row;
  const own = Object.keys(more).filter((column) => row[column] !== null);
  const body = JSON.stringify(Object.fromEntries(own.map((column) => [column, row[column]])));
  const all = { ...rest, peer_id: peerId, category, version, remarks: reason, body };
  const given = Object.entries(all).filter(([name, value]) => value !== null && !Object.hasOwn(more, name));
  return Object.fromEntries(given);
}
