/**
 * A test double of an EventStoreDB node: it speaks the server's gRPC protocol on a real port and keeps its events in
 * memory, through restarts of the node as well.
 *
 * It follows the server's documented behaviour and source (24.10): what a stream must look like for an append, what counts
 * as the same append, deleted streams and tombstones, filters, checkpoints, errors and their trailers. It is not a
 * database: there is no file, no election and no replication, and a second node on the same log plays the other
 * members of a cluster. The adapter's tests also run against a real server, which is what decides when both differ.
 */

import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { status as GrpcStatus, type Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import {
  GossipService,
  gossip,
  type IGossipServer,
  type IServerFeaturesServer,
  type IStreamsServer,
  ServerFeaturesService,
  StreamsService,
  serverFeatures,
  shared,
} from '../../../src/runtime/event-store/eventstoredb/connection/protocol.js';
import { append, batchAppend, deleteStream, tombstoneStream } from './append-calls.js';
import { authenticate, Faults, type NodeAddress, type Users } from './faults.js';
import { read } from './read-calls.js';
import { type Refusal, refusal } from './refusals.js';
import { TransactionLog } from './transaction-log.js';

export interface NodeOptions {
  /** Nodes with the same log are members of one cluster. Default a new one. */
  readonly log?: TransactionLog;
  readonly tls?: { readonly authority: string; readonly certificate: string; readonly key: string };
  /** Whom the node lets in; needs TLS. Default everybody. */
  readonly users?: Users;
  /** Bytes; the server's default is 1 MiB. */
  readonly maxAppendSize?: number;
  /** Bytes of one message; the server's default is 16 MiB. */
  readonly maxMessageSize?: number;
  /** Milliseconds that an append may take; the server's default is 2,000. */
  readonly commitTimeoutMs?: number;
  /** What an older server lacks. */
  readonly without?: readonly Feature[];
}

type Feature = 'batchAppend' | 'position' | 'caughtUp' | 'serverFeatures' | 'exactResume';

/** As the gossip shows it. */
export interface ClusterMember extends NodeAddress {
  readonly state: 'leader' | 'follower' | 'unknown';
  readonly alive: boolean;
}

const HOST = '127.0.0.1';
const VERSION = '24.10.4';
const DEFAULT_MAX_APPEND_SIZE = 1024 * 1024;
const DEFAULT_MAX_MESSAGE_SIZE = 16 * 1024 * 1024;
const DEFAULT_COMMIT_TIMEOUT_MS = 2_000;
const STATES = {
  leader: gossip.MemberInfo.VNodeState.LEADER,
  follower: gossip.MemberInfo.VNodeState.FOLLOWER,
  unknown: gossip.MemberInfo.VNodeState.UNKNOWN,
} as const;

export class EventStoreDbNode {
  readonly log: TransactionLog;
  readonly faults: Faults;
  /** What the node answers to gossip; by default itself, as the leader. */
  members: readonly ClusterMember[] | undefined;
  /** Whom it lets in from now on. */
  users: Users | undefined;
  private readonly options: NodeOptions;
  private readonly sockets = new Set<Socket>();
  private readonly subscriptionEnds = new Set<(reason: Refusal) => void>();
  private readonly appendEnds = new Set<(reason: Refusal) => void>();
  private port = 0;
  private listener: NetServer | undefined;
  private server: Server | undefined;
  private connectionsMade = 0;
  private callsTaken = 0;
  private changesTaken = 0;
  private gossipsTaken = 0;

  constructor(options: NodeOptions = {}) {
    this.options = options;
    this.users = options.users;
    this.log = options.log ?? new TransactionLog();
    this.faults = new Faults(() => this.dropConnections());
  }

  get address(): NodeAddress {
    return { host: HOST, port: this.port };
  }

  /** Without credentials. */
  get connectionString(): string {
    return `esdb://${HOST}:${this.port}?tls=${this.options.tls !== undefined}`;
  }

  /** How many connections were made to it so far. */
  get connections(): number {
    return this.connectionsMade;
  }

  get openConnections(): number {
    return this.sockets.size;
  }

  /** How many calls it has taken so far; each append of a batch is one. */
  get calls(): number {
    return this.callsTaken;
  }

  /** How many of them were to change a stream. */
  get changes(): number {
    return this.changesTaken;
  }

  /** How often it was asked for the members of the cluster. */
  get gossips(): number {
    return this.gossipsTaken;
  }

  /** Listens on a free port, or on its port of before. */
  async start(): Promise<this> {
    const server = new Server({ 'grpc.max_receive_message_length': 17 * 1024 * 1024 });
    this.addServices(server);
    const injector = server.createConnectionInjector(this.credentials());
    const listener = createServer((socket) => {
      this.connectionsMade += 1;
      this.sockets.add(socket);
      socket.on('close', () => this.sockets.delete(socket));
      socket.on('error', () => socket.destroy());
      injector.injectConnection(socket);
    });
    await new Promise<void>((resolve, reject) => {
      listener.once('error', reject);
      listener.listen(this.port, HOST, resolve);
    });
    const address = listener.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port');
    this.port = address.port;
    this.listener = listener;
    this.server = server;
    return this;
  }

  /** Goes away at once, like a killed process. */
  async stop(): Promise<void> {
    const { listener, server } = this;
    if (listener === undefined) return;
    this.listener = undefined;
    const closed = new Promise((resolve) => listener.close(resolve));
    this.dropConnections();
    server?.forceShutdown();
    await closed;
  }

  /** Comes back on the same port with its data, but without what a server keeps in memory only. */
  async restart(): Promise<void> {
    await this.stop();
    this.log.forgetCommitted();
    await this.start();
  }

  /** Ends all subscriptions, as a server does with a consumer that is too slow. */
  dropSubscriptions(details = 'Consumer too slow to handle event while live.'): void {
    for (const end of [...this.subscriptionEnds]) end(refusal(GrpcStatus.ABORTED, details));
  }

  /** Ends all streams of appends with an error that answers none of them. */
  dropAppends(reason: Refusal): void {
    for (const end of [...this.appendEnds]) end(reason);
  }

  private dropConnections(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private credentials(): ServerCredentials {
    const { tls } = this.options;
    if (tls === undefined) return ServerCredentials.createInsecure();
    const pair = { cert_chain: Buffer.from(tls.certificate), private_key: Buffer.from(tls.key) };
    return ServerCredentials.createSsl(Buffer.from(tls.authority), [pair], false);
  }

  private lacks(feature: Feature): boolean {
    return this.options.without?.includes(feature) ?? false;
  }

  private refuse(headers: Metadata, call: 'read' | 'change'): Refusal | undefined {
    this.callsTaken += 1;
    if (call === 'change') this.changesTaken += 1;
    return authenticate(this.users, headers) ?? this.faults.refuse(headers, call);
  }

  private addServices(server: Server): void {
    const context = {
      log: this.log,
      faults: this.faults,
      maxAppendSize: this.options.maxAppendSize ?? DEFAULT_MAX_APPEND_SIZE,
      maxMessageSize: this.options.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE,
      commitTimeoutMs: this.options.commitTimeoutMs ?? DEFAULT_COMMIT_TIMEOUT_MS,
      tellsCaughtUp: !this.lacks('caughtUp'),
      resumesExactly: !this.lacks('exactResume'),
      refuse: (headers: Metadata) => this.refuse(headers, 'read'),
      refuseChange: (headers: Metadata) => this.refuse(headers, 'change'),
      onDropAppends: (listener: (reason: Refusal) => void) => {
        this.appendEnds.add(listener);
        return () => this.appendEnds.delete(listener);
      },
      onDrop: (listener: (reason: Refusal) => void) => {
        this.subscriptionEnds.add(listener);
        return () => this.subscriptionEnds.delete(listener);
      },
    };
    const streams: IStreamsServer = {
      read: (call) => void read(context, call),
      append: (call, callback) => append(context, call, callback),
      batchAppend: (call) => batchAppend(context, call),
      delete: (call, callback) => deleteStream(context, call, callback),
      tombstone: (call, callback) => tombstoneStream(context, call, callback),
    };
    const gossipServer: IGossipServer = {
      read: (_call, callback) => {
        this.gossipsTaken += 1;
        void this.faults.answer(() => callback(null, this.clusterInfo()));
      },
    };
    const features: IServerFeaturesServer = {
      getSupportedMethods: (_call, callback) =>
        void this.faults.answer(() => callback(null, this.supportedMethods())),
    };
    server.addService(StreamsService, streams);
    server.addService(GossipService, gossipServer);
    if (!this.lacks('serverFeatures')) server.addService(ServerFeaturesService, features);
  }

  private clusterInfo(): gossip.ClusterInfo {
    const self: ClusterMember = { ...this.address, state: 'leader', alive: true };
    const members = (this.members ?? [self]).map(({ host, port, state, alive }) =>
      new gossip.MemberInfo()
        .setInstanceId(new shared.UUID().setString(crypto.randomUUID()))
        .setTimeStamp(String(BigInt(Date.now()) * 10_000n))
        .setState(STATES[state])
        .setIsAlive(alive)
        .setHttpEndPoint(new gossip.EndPoint().setAddress(host).setPort(port)),
    );
    return new gossip.ClusterInfo().setMembersList(members);
  }

  private supportedMethods(): serverFeatures.SupportedMethods {
    const methods: [name: string, features: string[]][] = [
      ['read', this.lacks('position') ? [] : ['position', 'events']],
      ['append', []],
      ['delete', []],
      ['tombstone', []],
      ...(this.lacks('batchAppend')
        ? []
        : [['batchappend', ['deadline_duration']] satisfies [string, string[]]]),
    ];
    return new serverFeatures.SupportedMethods()
      .setEventStoreServerVersion(VERSION)
      .setMethodsList(
        methods.map(([name, features]) =>
          new serverFeatures.SupportedMethod()
            .setServiceName('event_store.client.streams.streams')
            .setMethodName(name)
            .setFeaturesList(features),
        ),
      );
  }
}
