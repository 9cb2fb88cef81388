/**
 * One connection to a node, and calls over it: what the clients of all its services share.
 *
 * Guarantees: every call ends, by its answer, by its deadline, or because its signal aborts; whatever goes wrong is an
 * OwlError; the connection is made anew by itself after the node was away, so that one client serves as long as its program;
 * a peer that vanished without a word is noticed within half a minute, in calls without a deadline too.
 */

import { setMaxListeners } from 'node:events';
import { type CallOptions, Client, type ClientDuplexStream, type ServiceError } from '@grpc/grpc-js';
import { OwlError } from '../base/errors.js';
import { type Called, explainCallError } from './call-error.js';
import { type ClientCredentials, channelCredentials, channelOptions, Token } from './credentials.js';
import { type PageWish, pagesOf } from './pages.js';

/** How long an answer may take. */
const DEADLINE_MS = 10_000;

export interface ServiceClientOptions {
  /** HOST:PORT. */
  readonly server: string;
  /** Ends all calls when it aborts. */
  readonly signal?: AbortSignal;
  /** How long an answer of one message may take. Milliseconds, default 10,000. */
  readonly deadlineMs?: number;
  /** Default: a node. */
  readonly called?: Called;
  /** Default: none, in plain text. */
  readonly credentials?: ClientCredentials;
}

/** Every field of a message may be missing, so what the codecs decode fits as it is. */
export interface Method<Request, Answer> {
  readonly path: string;
  requestSerialize(request: Request): Buffer;
  responseDeserialize(bytes: Buffer): Answer;
}

export abstract class ServiceClient {
  /** HOST:PORT. */
  readonly server: string;
  private readonly called: Called | undefined;
  private readonly deadlineMs: number;
  private readonly channel: Client;
  private readonly token: Token;
  private readonly closing = new AbortController();
  private readonly ended: AbortSignal;

  /** @throws OwlError kind `invalid` when the files of the credentials can't be used */
  constructor({ server, signal, called, deadlineMs = DEADLINE_MS, credentials = {} }: ServiceClientOptions) {
    this.called = called;
    this.server = server;
    this.deadlineMs = deadlineMs;
    this.ended = signal === undefined ? this.closing.signal : AbortSignal.any([signal, this.closing.signal]);
    this.token = new Token(credentials.token);
    // Each call under way listens for its end; many of them are no leak.
    setMaxListeners(0, this.ended);
    this.channel = new Client(server, channelCredentials(credentials.tls, server), {
      ...channelOptions(server),
      // A farm's machines talk to each other directly, whatever proxy the environment names for the web.
      'grpc.enable_http_proxy': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 5_000,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      // Nodes bound their answers themselves; a page of rows with long texts is above the usual 4 MiB.
      'grpc.max_receive_message_length': -1,
    });
  }

  /** Ends every call and gives the connection back. */
  close(): void {
    this.closing.abort();
    this.channel.close();
  }

  /** @param deadlineMs how long the answer may take; Infinity waits as long as the node is there */
  protected async ask<Request, Answer>(
    method: Method<Request, Answer>,
    request: Request,
    deadlineMs = this.deadlineMs,
  ): Promise<Answer> {
    this.assertOpen();
    let cancel = (): void => undefined;
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const done = (error: ServiceError | null, answer?: Answer): void => {
          if (error !== null) reject(error);
          else if (answer !== undefined) resolve(answer);
        };
        const call = this.channel.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request,
          this.token.metadata(),
          { deadline: Date.now() + deadlineMs },
          done,
        );
        cancel = () => call.cancel();
        this.ended.addEventListener('abort', cancel, { once: true });
      });
    } catch (error) {
      this.assertOpen();
      throw this.explain(error);
    } finally {
      this.ended.removeEventListener('abort', cancel);
    }
  }

  /** A list to its end, page by page: `limit` at the most, and no page empty. @param itemsOf what is listed on a page */
  protected listed<Filter extends object, Answer extends { readonly next_page_token?: string }, Item>(
    method: Method<Filter & PageWish, Answer>,
    filter: Filter,
    itemsOf: (page: Answer) => Item[] | undefined,
    limit?: number,
  ): AsyncGenerator<Item[]> {
    return pagesOf(async (wish) => {
      const page = await this.ask(method, { ...filter, ...wish });
      return { items: itemsOf(page), next: page.next_page_token };
    }, limit);
  }

  /** Ends without an error when `signal` aborts; leaving the loop cancels the call. */
  protected async *follow<Request, Answer>(
    method: Method<Request, Answer>,
    request: Request,
    options: CallOptions,
    signal?: AbortSignal,
  ): AsyncGenerator<Answer> {
    this.assertOpen();
    if (signal?.aborted) return;
    const call = this.channel.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.token.metadata(),
      options,
    );
    const cancel = (): void => call.cancel();
    const ends = signal === undefined ? [this.ended] : [this.ended, signal];
    for (const end of ends) end.addEventListener('abort', cancel, { once: true });
    try {
      for await (const answer of call) yield answer;
    } catch (error) {
      if (signal?.aborted) return;
      this.assertOpen();
      throw this.explain(error);
    } finally {
      for (const end of ends) end.removeEventListener('abort', cancel);
      call.cancel();
    }
  }

  /** A two-way stream; whoever opens it ends it and handles its errors. */
  protected openDuplex<Request, Answer>(
    method: Method<Request, Answer>,
  ): ClientDuplexStream<Request, Answer> {
    const { path, requestSerialize, responseDeserialize } = method;
    return this.channel.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      this.token.metadata(),
    );
  }

  protected explain(error: unknown): OwlError {
    const explained = explainCallError(error, this.server, this.called);
    if (explained.kind !== 'unauthenticated' || this.token.isThere) return explained;
    return new OwlError(
      'unauthenticated',
      `${explained.message}. No token was sent: of a node on this machine owl finds it in the data directory, which OWL_DATA or owl.yaml name; for another one set token_file`,
      { cause: explained },
    );
  }

  private assertOpen(): void {
    if (this.ended.aborted)
      throw new OwlError('unavailable', `the connection to ${this.server} was closed here`);
  }
}
