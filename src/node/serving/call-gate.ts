/**
 * What every gRPC call passes before anything of its messages is kept.
 *
 * Guarantees: who may not ask is told so by the headers of the call, and nothing that he sends is kept; of what everybody may ask
 * for (health, reflection) only so much may be begun at once; a request that is begun has to be there in time, or its connection
 * is cut, for the library keeps what has come of it for as long; so is one whose peer leaves calls half open that are over
 * (half-open-calls.ts); a stream that everybody may ask for ends in its time, by a status that says so. Time is counted in looks,
 * so that nobody is cut for a time in which this process stood still.
 *
 * Why an interceptor: the handler of one request is called only once all of it is there.
 */

import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
  type ServerListener,
} from '@grpc/grpc-js';
import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { OwlError } from '../../base/errors.js';
import { every } from '../../base/repeat.js';
import type { LifeCycle } from '../../runtime/life-cycle/life-cycle.js';
import { AnybodysCalls } from './anybodys-calls.js';
import { cameOn } from './callers.js';
import { toServiceError } from './calls.js';
import { type Connections, connectionOf } from './connections.js';
import { HalfOpenCalls, isOpen } from './half-open-calls.js';

export interface GateLimits {
  /** Seconds in which a request has to be there. Default 30. */
  readonly sendWithinSeconds?: number;
  /** Seconds that a stream lasts which everybody may ask for and which only answers. Default 3,600. */
  readonly watchSeconds?: number;
}

/** The headers of a call. */
export interface AtTheGate {
  /** Of the method. */
  readonly path: string;
  readonly metadata: Metadata;
  /** With its port, as gRPC has it. It asks the socket behind an HTTP/2 session, so only where it matters who calls. */
  peer(): string;
  /** As `connectionOf` calls it. */
  readonly connection: string;
}

export interface CallGateOptions {
  /**
   * @returns whose it is: what is anybody's says nothing of the work
   * @throws OwlError when its caller may not ask
   */
  readonly admit: (call: AtTheGate) => 'let in' | 'anybody';
  readonly connections: Pick<Connections, 'cut' | 'letIn'>;
  /** The largest message that is taken. */
  readonly receiveBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lifeCycle: LifeCycle | undefined;
  readonly limits: GateLimits;
}

const LOOK_EVERY_MS = 1_000;
const SEND_WITHIN_SECONDS = 30;
const WATCH_SECONDS = 3_600;

type Method = Parameters<ServerInterceptor>[0];

/** A request that is not there yet, and may be over for this side all the same; or a stream of anybody's. */
interface Unfinished {
  readonly connection: string;
  readonly call: ServerInterceptingCallInterface;
  readonly path: string;
  isOver: boolean;
  looksLeft: number;
  /** What becomes of it when none are left: its peer may be told so, or has to go. */
  outOfTime: 'end' | 'cut';
}

export class CallGate {
  readonly interceptor: ServerInterceptor = (method, call) =>
    new ServerInterceptingCall(call, { start: (next) => next(this.listenerOf(method, call)) });
  private readonly options: CallGateOptions;
  private readonly anybodys: AnybodysCalls;
  private readonly halfOpen: HalfOpenCalls;
  private readonly unfinished = new Set<Unfinished>();
  private readonly stopping = new AbortController();

  constructor(options: CallGateOptions) {
    this.options = options;
    const { clock, connections, receiveBytes } = options;
    const cut = (connection: string) => connections.cut(connection);
    this.anybodys = new AnybodysCalls(receiveBytes, cut);
    this.halfOpen = new HalfOpenCalls(cut);
    void every({ clock, pauseMs: LOOK_EVERY_MS, signal: this.stopping.signal }, () => this.look());
  }

  stop(): void {
    this.stopping.abort();
  }

  private listenerOf(method: Method, call: ServerInterceptingCallInterface): ServerListener {
    let isThere: () => void = () => undefined;
    let isOver: () => void = () => undefined;
    return {
      onReceiveMetadata: (metadata, next) => {
        const connection = connectionOf(call.getConnectionInfo());
        // It is gone already: nobody would hear anything.
        if (connection === undefined) return;
        try {
          const gate = { path: method.path, metadata, peer: () => call.getPeer(), connection };
          ({ isThere, isOver } = this.begin(method, call, gate));
        } catch (error) {
          this.deny(method, call, connection, error);
          return;
        }
        cameOn(metadata, connection);
        next(metadata);
      },
      onReceiveHalfClose: (next) => {
        isThere();
        next();
      },
      onCancel: () => isOver(),
    };
  }

  /** @throws OwlError when it may not begin */
  private begin(
    { path, requestStream, responseStream }: Method,
    call: ServerInterceptingCallInterface,
    gate: AtTheGate,
  ): Beginning {
    const { admit, connections, limits } = this.options;
    const { connection } = gate;
    const isAnybodys = admit(gate) === 'anybody';
    const anybodys = isAnybodys ? this.anybodys.begin(connection, requestStream, call) : undefined;
    if (!isAnybodys) connections.letIn(connection);
    if (!isAnybodys && requestStream) return { isThere: () => undefined, isOver: () => undefined };
    const outOfTime = requestStream ? 'end' : 'cut';
    const looksLeft = this.sendWithin;
    const one: Unfinished = { connection, call, path, isOver: false, looksLeft, outOfTime };
    this.unfinished.add(one);
    return {
      isThere: () => {
        // Such a stream is there only when it is over.
        if (requestStream) return;
        anybodys?.isThere();
        if (!isAnybodys || !responseStream) return void this.unfinished.delete(one);
        one.looksLeft = limits.watchSeconds ?? WATCH_SECONDS;
        one.outOfTime = 'end';
      },
      isOver: () => {
        anybodys?.isOver();
        if (this.unfinished.has(one)) this.leave(one);
      },
    };
  }

  private get sendWithin(): number {
    return this.options.limits.sendWithinSeconds ?? SEND_WITHIN_SECONDS;
  }

  /** Over for this side; its peer has not said all. */
  private leave(unfinished: Unfinished): void {
    unfinished.isOver = true;
    this.unfinished.add(unfinished);
    this.halfOpen.note(unfinished.connection, unfinished.call);
  }

  private deny(
    { path, requestStream, responseStream }: Method,
    call: ServerInterceptingCallInterface,
    connection: string,
    error: unknown,
  ): void {
    const { logger, lifeCycle } = this.options;
    const told = toServiceError(error, logger, path);
    call.sendStatus(told);
    this.leave({ connection, call, path, isOver: true, looksLeft: this.sendWithin, outOfTime: 'cut' });
    if (!requestStream && !responseStream && lifeCycle?.wants('call ended') === true)
      lifeCycle.tell({ type: 'call ended', method: path, code: told.code, tookMs: 0 });
  }

  private look(): void {
    this.halfOpen.look();
    this.anybodys.look();
    for (const unfinished of this.unfinished) {
      const { connection, call, isOver } = unfinished;
      const isClosed = isOver && !isOpen(call);
      if (!isClosed && unfinished.looksLeft > 0) {
        unfinished.looksLeft -= 1;
        continue;
      }
      this.unfinished.delete(unfinished);
      if (isClosed) continue;
      if (!isOver && unfinished.outOfTime === 'end') this.end(unfinished);
      else this.options.connections.cut(connection);
    }
  }

  /** Other calls of its connection go on: who is told how a service is called may use it there. */
  private end(stream: Unfinished): void {
    const { call, path } = stream;
    const error = new OwlError(
      'unavailable',
      'a stream for which nobody is asked who he is ends in time; open another',
    );
    call.sendStatus(toServiceError(error, this.options.logger, path));
    stream.looksLeft = this.sendWithin;
    this.leave(stream);
  }
}

/** A call that was let through, to be told of what becomes of it. */
interface Beginning {
  isThere(): void;
  /** In order or not, there or not. */
  isOver(): void;
}
