/**
 * A connection to one node, from the moment it has answered until it is given up. What runs on it takes `closed` as its
 * signal to move to the next one.
 */

import { setMaxListeners } from 'node:events';
import { type ClientOptions, type ClientReadableStream, connectivityState, Metadata } from '@grpc/grpc-js';
import type { Clock } from '../../../../base/clock.js';
import { targetNameFor } from '../../../../base/grpc-connections.js';
import { BatchAppends } from '../appends/batch-appends.js';
import type { BatchStream } from '../appends/batch-lane.js';
import { batchAnswerOf } from '../appends/batch-messages.js';
import { readStreamRequest } from '../reads/read-requests.js';
import { CallError } from './call-error.js';
import { ask, consume } from './calls.js';
import { type ConnectionSettings, type Endpoint, formatEndpoint } from './connection-string.js';
import {
  ServerFeaturesClient,
  StreamsClient,
  StreamsService,
  type serverFeatures,
  shared,
  type streams,
} from './protocol.js';
import { type ReadMessage, readMessageOf } from './record-message.js';
import type { Security } from './security.js';

/** What a server may store and therefore send. */
const LARGEST_MESSAGE = 17 * 1024 * 1024;

const READ = '/event_store.client.streams.streams/read';
const BATCH_APPEND = '/event_store.client.streams.streams/batchappend';
/** Read to learn whether a node leads and is ready. Nothing is in it; the node says so, or why it can't. */
const PROBED_STREAM = 'owl-probe';

export class Link {
  readonly endpoint: Endpoint;
  readonly streams: StreamsClient;
  /** Where the server has batch append. */
  readonly batches: BatchAppends | undefined;
  readonly closed: AbortSignal;
  /** When the node was last heard of, in running time. */
  heardAt = 0;
  private readonly controller = new AbortController();
  private readonly headers: Metadata;
  private readonly clock: Clock;

  constructor(
    endpoint: Endpoint,
    streams: StreamsClient,
    headers: Metadata,
    options: { readonly batchAppend: boolean; readonly clock: Clock },
  ) {
    this.endpoint = endpoint;
    this.streams = streams;
    this.headers = headers;
    this.clock = options.clock;
    this.closed = this.controller.signal;
    setMaxListeners(0, this.closed);
    this.batches = options.batchAppend ? new BatchAppends(() => this.openBatches()) : undefined;
  }

  /** True while calls reach the node without connecting anew. */
  get ready(): boolean {
    return (
      !this.closed.aborted &&
      this.streams.getChannel().getConnectivityState(false) === connectivityState.READY
    );
  }

  /** Calls back once, when the connection is no longer there, be it used or not. */
  onLost(listener: () => void): void {
    this.streams.getChannel().watchConnectivityState(connectivityState.READY, Infinity, listener);
  }

  /** The headers of a call; only the leader may answer it. */
  metadata(): Metadata {
    return this.headers.clone();
  }

  /** @param deadline in running time; none for a subscription */
  read(request: streams.ReadReq, deadline?: number): ClientReadableStream<ReadMessage> {
    const options = deadline === undefined ? {} : this.until(deadline);
    const { path, requestSerialize } = StreamsService.read;
    return this.streams.makeServerStreamRequest(
      path,
      requestSerialize,
      readMessageOf,
      request,
      this.metadata(),
      options,
    );
  }

  /** Options of a call that is to be answered by then, in running time: gRPC wants the wall's, and that may be set between two tries. */
  until(deadline: number): { readonly deadline: number } {
    return { deadline: this.clock.now() + deadline - this.clock.monotonic() };
  }

  /** As whom it calls: the value of the authorization header. */
  get authorization(): string | undefined {
    return this.headers.get('authorization')[0]?.toString();
  }

  /**
   * Asks for something that everybody may read.
   * @throws CallError
   */
  probe(withinMs: number): Promise<void> {
    return probe(this.streams, this.headers, this.clock.now() + withinMs, this.closed);
  }

  private openBatches(): BatchStream {
    const { path } = StreamsService.batchAppend;
    return this.streams.makeBidiStreamRequest(path, (bytes: Buffer) => bytes, batchAnswerOf, this.metadata());
  }

  /** @param cause what its calls fail with that are still under way */
  close(cause: CallError): void {
    this.controller.abort(cause);
    this.batches?.close(cause);
    this.streams.close();
  }
}

/**
 * Connects, and finds out what the server can do, and that it leads and is ready: it tells its features even when it is not.
 * @throws CallError `notLeader`, with who does, or `notReady` where the node says so
 */
export async function openLink(
  endpoint: Endpoint,
  settings: ConnectionSettings,
  security: Security,
  { clock, withinMs }: { readonly clock: Clock; readonly withinMs: number },
  signal: AbortSignal,
): Promise<Link> {
  const deadline = clock.now() + withinMs;
  const options = clientOptions(settings, endpoint);
  const headers = headersOf(settings, security);
  const address = formatEndpoint(endpoint);
  const channel = security.channelTo(endpoint.host);
  const streams = new StreamsClient(address, channel, options);
  try {
    const features = new ServerFeaturesClient(address, channel, {
      ...options,
      channelOverride: streams.getChannel(),
    });
    const methods = await ask<serverFeatures.SupportedMethods>(
      (answer) => features.getSupportedMethods(new shared.Empty(), headers.clone(), { deadline }, answer),
      signal,
    );
    const supported = featuresOf(methods);
    if (!supported.get(READ)?.has('position')) {
      throw new CallError(
        'rejected',
        `${address} runs EventStoreDB ${methods.getEventStoreServerVersion()}; owl needs 22.10 or newer, which tells the positions of a stream's events`,
      );
    }
    await probe(streams, headers, deadline, signal);
    return new Link(endpoint, streams, headers, { batchAppend: supported.has(BATCH_APPEND), clock });
  } catch (error) {
    streams.close();
    throw error;
  }
}

async function probe(
  streams: StreamsClient,
  headers: Metadata,
  deadline: number,
  signal: AbortSignal,
): Promise<void> {
  const request = readStreamRequest({
    stream: PROBED_STREAM,
    direction: 'backwards',
    from: undefined,
    count: 1,
  });
  await consume(streams.read(request, headers.clone(), { deadline }), signal, () => true);
}

/** Options of every channel to a node. */
export function clientOptions(settings: ConnectionSettings, { host }: Endpoint): Partial<ClientOptions> {
  const { keepAliveIntervalMs, keepAliveTimeoutMs } = settings;
  return {
    ...targetNameFor(host),
    'grpc.max_receive_message_length': LARGEST_MESSAGE,
    ...(keepAliveIntervalMs < 0 ? {} : { 'grpc.keepalive_time_ms': keepAliveIntervalMs }),
    ...(keepAliveTimeoutMs < 0 ? {} : { 'grpc.keepalive_timeout_ms': keepAliveTimeoutMs }),
    // Which call may be sent twice is decided here, not by the library.
    'grpc.enable_retries': 0,
    // A new connection must not wait for the back-off of the one it replaces.
    'grpc.use_local_subchannel_pool': 1,
  };
}

export function headersOf(settings: ConnectionSettings, { authorization }: Security): Metadata {
  const headers = new Metadata();
  headers.set('connection-name', settings.connectionName ?? `owl-${process.pid}`);
  headers.set('requires-leader', 'true');
  if (authorization !== undefined) headers.set('authorization', authorization);
  return headers;
}

function featuresOf(methods: serverFeatures.SupportedMethods): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    methods
      .getMethodsList()
      .map((method) => [
        `/${method.getServiceName()}/${method.getMethodName()}`.toLowerCase(),
        new Set(method.getFeaturesList()),
      ]),
  );
}
