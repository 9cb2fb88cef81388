/**
 * The peers of one category as a node serves them: what arrives is checked, what is granted says on what terms, and the
 * leases are watched. What carries the calls is not known here.
 *
 * Guarantees: a peer whose protocol the node does not speak is refused with one sentence that names both, which stands in the
 * node's log too; a session that was replaced changes nothing and is refused; terms under which a peer could be given up
 * before it has ended are refused at start; leases that were held when the node began are watched again.
 */

import type { Logger } from 'pino';
import type { AnyStateMachine } from 'xstate';
import { type PeersTable, selectPeers } from '../../projections/peers/peers.js';
import type { Clock } from '../base/clock.js';
import { InvalidFieldError, messageOf, OwlError } from '../base/errors.js';
import { ListeningTime } from '../base/listening-time.js';
import type { Database, SqlRow } from '../base/sql.js';
import { ToldFailures } from '../base/told-failures.js';
import type { JsonObject, RecordedEvent } from '../runtime/event-store/event-store.js';
import type { Runtime } from '../runtime/runtime.js';
import { GiveUps, type GiveUpsOptions } from './give-ups.js';
import type { Lease } from './held-leases.js';
import type { LeaseTerms } from './holder/lease-terms.js';
import type { KeptLease } from './lease-events.js';
import { PeerLeases } from './leases.js';
import type { PeerKind } from './peer-kind.js';

/** Versions of a system's protocol, both inclusive. */
export interface Protocols {
  readonly min: number;
  readonly max: number;
}

export interface PeersOptions<M extends AnyStateMachine> {
  readonly kind: PeerKind<M>;
  /** Its projection is one of the system's. */
  readonly table: PeersTable;
  readonly terms: LeaseTerms;
  /** What this node speaks with such peers. */
  readonly protocols: Protocols;
  /**
   * What a peer says of itself, as fields of the event of attaching. Left out, it has nothing to say.
   * @throws InvalidFieldError that names a field below `body`
   */
  read?(body: JsonObject): JsonObject;
  /** What counts as having listened, where it is not what this process heard alone. */
  readonly listening?: ListeningTime;
  /**
   * Policy `end`: what follows when a peer has stayed lost for as long as its terms say (give-ups.ts). By then it has ended by
   * itself. True when nothing of it has to be tried again; done once more it has to change nothing.
   */
  giveUp?(peerId: string, signal: AbortSignal): Promise<boolean>;
}

/** What it needs of its node. */
export interface PeersNode {
  readonly workerId: string;
  readonly shared: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly runtime: Pick<Runtime, 'system' | 'onApplied' | 'projector' | 'readYourWrites' | 'lifeCycle'> & {
    readonly db: Database;
  };
}

export interface Attaching {
  readonly peerId: string;
  readonly sessionId: string;
  readonly protocols: Protocols;
  readonly host: string | undefined;
  readonly pid: number | undefined;
  readonly version: string | undefined;
  /** JSON text; empty for an object without fields. */
  readonly body: string;
}

/** Peers of any category, for who serves them all. */
export interface ServedPeers {
  readonly category: string;
  readonly terms: LeaseTerms;
  readonly table: PeersTable;
  /** @param id see `PeerLeases.attach` */
  attach(
    request: Attaching,
    by: string,
    id?: string,
  ): Promise<{ readonly lease: Lease; readonly protocol: number }>;
  beat(peerId: string, sessionId: string, by: string): Promise<Lease>;
  leave(peerId: string, sessionId: string, reason: string | undefined, by: string): Promise<void>;
  list(): Promise<SqlRow[]>;
  /** Once the read models hold what was stored before. Never throws. */
  resume(): void;
  stop(): void;
  /** Once stopped: what was under way may wait for the store. */
  ended(): Promise<void>;
}

export class Peers<M extends AnyStateMachine> implements ServedPeers {
  readonly terms: LeaseTerms;
  readonly table: PeersTable;
  /** Who holds a lease, for what its system does with it: `follow` tells when a session is over. */
  readonly leases: PeerLeases<M>;
  private readonly options: PeersOptions<M>;
  private readonly node: PeersNode;
  private readonly refused: ToldFailures;
  private readonly giveUps: GiveUps<M> | undefined;

  /** @throws Error when the terms contradict themselves */
  constructor(node: PeersNode, options: PeersOptions<M>) {
    const { kind, table, terms } = options;
    const { workerId, shared, clock, logger, runtime } = node;
    assertTerms(kind.noun, terms);
    this.options = options;
    this.node = node;
    this.terms = terms;
    this.table = table;
    this.refused = new ToldFailures(logger);
    const judging = {
      ...{ kind, clock, logger, shared, nodeId: workerId, system: runtime.system },
      listening: options.listening ?? new ListeningTime(clock),
    };
    this.giveUps = giveUpsFor(judging, options);
    this.leases = new PeerLeases({
      ...judging,
      policy: terms.policy,
      lifeCycle: runtime.lifeCycle,
      onHeard: (peerId, sessionId) => this.giveUps?.heard(peerId, sessionId),
    });
    // What can't be read says nothing of a lease.
    const isReadable = ({ stream }: RecordedEvent) =>
      runtime.projector(table.name).firstParked(stream) === undefined;
    runtime.onApplied(table.name, (events) => {
      const readable = events.filter(isReadable);
      this.leases.observe(readable);
      this.giveUps?.observe(readable);
    });
  }

  get category(): string {
    return this.options.kind.type.category;
  }

  async attach(request: Attaching, by: string, id?: string): Promise<{ lease: Lease; protocol: number }> {
    const { peerId, sessionId, host, pid, version } = request;
    const protocol = this.protocolFor(request);
    const more = this.options.read?.(bodyOf(request.body)) ?? {};
    const { leaseSeconds } = this.terms;
    const attachment = { peerId, sessionId, leaseSeconds, host, pid, version, more };
    const lease = await this.leases.attach(attachment, by, id);
    return { lease, protocol };
  }

  beat(peerId: string, sessionId: string, by: string): Promise<Lease> {
    return this.leases.heartbeat(peerId, sessionId, by);
  }

  leave(peerId: string, sessionId: string, reason: string | undefined, by: string): Promise<void> {
    return this.leases.detach(peerId, sessionId, reason, by);
  }

  async list(): Promise<SqlRow[]> {
    const { runtime } = this.node;
    await runtime.readYourWrites([this.table.name]);
    return selectPeers(runtime.db, this.table);
  }

  resume(): void {
    const { logger, runtime } = this.node;
    try {
      for (const row of selectPeers(runtime.db, this.table)) {
        const lease = leaseIn(row, this.table.idField);
        if (lease === undefined) continue;
        if (row['status'] === 'lost') this.giveUps?.watch(lease.peerId, lease.sessionId);
        else this.leases.resume(lease, Number(row['revision']));
      }
    } catch (error) {
      const what = 'leases can not be resumed; their peers are heard of again by heartbeats';
      logger.error({ err: error, category: this.category }, what);
    }
  }

  stop(): void {
    this.giveUps?.stop();
    this.leases.stop();
  }

  async ended(): Promise<void> {
    await this.giveUps?.ended();
  }

  /** The newest that both ends speak. */
  private protocolFor({ peerId, protocols, version }: Attaching): number {
    const { kind, protocols: own } = this.options;
    const newest = Math.min(own.max, protocols.max);
    if (newest >= Math.max(own.min, protocols.min)) {
      this.refused.forget(peerId);
      return newest;
    }
    const older = protocols.max < own.min ? `the ${kind.noun}` : 'the node';
    const error = new OwlError(
      'refused',
      `${kind.noun} ${peerId}${version === undefined ? '' : ` of version ${version}`} speaks ${spoken(protocols)} of ${this.category}, this node ${spoken(own)}; upgrade ${older}`,
    );
    this.refused.tell(peerId, error, messageOf(error), { peerId });
    throw error;
  }
}

/** The lease that a row says is held or lost; undefined when it was given back. */
function leaseIn(row: SqlRow, idField: string): KeptLease | undefined {
  const { session_id: sessionId, lease_seconds: leaseSeconds, node_id: nodeId } = row;
  const peerId = row[idField];
  if (row['status'] === 'detached' || typeof peerId !== 'string') return undefined;
  if (typeof sessionId !== 'string' || typeof leaseSeconds !== 'number') return undefined;
  return { peerId, sessionId, leaseSeconds, nodeId: typeof nodeId === 'string' ? nodeId : null };
}

function giveUpsFor<M extends AnyStateMachine>(
  judging: Omit<GiveUpsOptions<M>, 'giveUpSeconds' | 'giveUp' | 'announce'>,
  { terms: { policy }, giveUp }: PeersOptions<M>,
): GiveUps<M> | undefined {
  if (policy.kind !== 'end' || giveUp === undefined) return undefined;
  return new GiveUps({ ...judging, giveUpSeconds: policy.giveUpSeconds, giveUp });
}

function assertTerms(noun: string, { leaseSeconds, policy }: LeaseTerms): void {
  if (policy.kind === 'end' && policy.giveUpSeconds < leaseSeconds + policy.marginSeconds)
    throw new OwlError(
      'invalid',
      `a ${noun} that ends ${policy.marginSeconds} s before it is given up (${policy.giveUpSeconds} s) would end before its lease of ${leaseSeconds} s is over`,
    );
  if (policy.kind === 'pause' && !(policy.share > 0 && policy.share < 1))
    throw new OwlError(
      'invalid',
      `a ${noun} has to pause before its lease is over, not at ${policy.share} of it`,
    );
}

function spoken({ min, max }: Protocols): string {
  return min === max ? `protocol ${min}` : `protocols ${min} to ${max}`;
}

function bodyOf(text: string): JsonObject {
  if (text === '') return {};
  try {
    const body: unknown = JSON.parse(text);
    if (isObject(body)) return body;
  } catch {
    // Said below.
  }
  throw new InvalidFieldError('body', 'must be the text of a JSON object');
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
