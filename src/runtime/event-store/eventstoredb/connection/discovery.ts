/** Finds the node that leads a cluster by asking the nodes it knows, all at once; the first that knows is believed. */

import { CallError, callErrorOf } from './call-error.js';
import { ask } from './calls.js';
import { type ConnectionSettings, type Endpoint, formatEndpoint } from './connection-string.js';
import { clientOptions, headersOf } from './link.js';
import { GossipClient, gossip, shared } from './protocol.js';
import type { Security } from './security.js';

/**
 * @throws CallError `lost` when no node answers, `notLeader` when none leads
 */
export async function findLeader(
  settings: ConnectionSettings,
  security: Security,
  deadline: number,
  signal: AbortSignal,
): Promise<Endpoint> {
  const enough = new AbortController();
  const anySignal = AbortSignal.any([signal, enough.signal]);
  try {
    return await Promise.any(
      settings.hosts.map((host) => askForLeader(host, settings, security, deadline, anySignal)),
    );
  } catch (error) {
    const failures = failuresIn(error).map(callErrorOf);
    const [first] = failures;
    // Of nodes that are up, and say why they can't help, more is to be learned than of nodes that are down.
    const telling = failures.find(({ kind }) => kind === 'notLeader' || kind === 'notReady') ?? first;
    const reasons = settings.hosts.map((host, i) => `${formatEndpoint(host)}: ${failures[i]?.message}`);
    throw new CallError(telling?.kind ?? 'lost', `no leader found (${reasons.join('; ')})`);
  } finally {
    enough.abort();
  }
}

function failuresIn(error: unknown): readonly unknown[] {
  return error instanceof AggregateError ? error.errors : [error];
}

async function askForLeader(
  host: Endpoint,
  settings: ConnectionSettings,
  security: Security,
  deadline: number,
  signal: AbortSignal,
): Promise<Endpoint> {
  const client = new GossipClient(
    formatEndpoint(host),
    security.channelTo(host.host),
    clientOptions(settings, host),
  );
  try {
    const cluster = await ask<gossip.ClusterInfo>(
      (answer) => client.read(new shared.Empty(), headersOf(settings, security), { deadline }, answer),
      signal,
    );
    const leader = cluster
      .getMembersList()
      .find((member) => member.getIsAlive() && member.getState() === gossip.MemberInfo.VNodeState.LEADER);
    const endpoint = leader?.getHttpEndPoint();
    if (endpoint === undefined) throw new CallError('notLeader', 'it knows of no leader');
    return { host: endpoint.getAddress(), port: endpoint.getPort() };
  } finally {
    client.close();
  }
}
