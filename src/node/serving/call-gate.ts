/**
 * What every gRPC call passes before anything of its messages is kept.
 *
 * Guarantees: who may not ask is told so by the headers of the call, and nothing that he sends is kept; of what everybody may ask
 * for (health, reflection) only so much may be begun at once; a request that is begun has to be there in time, or its connection
 * is cut, for the library keeps what has come of it for as long; so is one whose peer leaves calls half open that are over
 * (half-open-calls.ts). Time is counted in looks, so that nobody is cut for a time in which this process stood still.
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
import { every } from '../../base/repeat.js';
import type { LifeCycle } from '../../runtime/life-cycle/life-cycle.js';
import { AnybodysCalls } from './anybodys-calls.js';
import { cameOn } from './callers.js';
import { toServiceError } from './calls.js';
import { type Connections, connectionOf } from './connections.js';
import { HalfOpenCalls, isOpen, type OpenCall } from './half-open-calls.js';

export interface GateLimits {
  /** Seconds in which a request has to be there. Default 30. */
  readonly sendWithinSeconds?: number;
}

/** The headers of a call. */
export interface AtTheGate {
  /** Of the method. */
  readonly path: string;
  readonly metadata: Metadata;
  /** With its port, as gRPC has it. */
  readonly peer: string;
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

type Method = Parameters<ServerInterceptor>[0];

/** A request that is not there yet, and may be over for this side all the same. */
interface Unfinished {
  readonly connection: string;
  readonly call: OpenCall;
  isOver: boolean;
  looks: number;
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
          const gate = { path: method.path, metadata, peer: call.getPeer(), connection };
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
    { requestStream }: Method,
    call: ServerInterceptingCallInterface,
    gate: AtTheGate,
  ): Beginning {
    const { admit, connections } = this.options;
    const { connection } = gate;
    const isAnybodys = admit(gate) === 'anybody';
    const anybodys = isAnybodys ? this.anybodys.begin(connection, requestStream, call) : undefined;
    if (!isAnybodys) connections.letIn(connection);
    if (requestStream) return { isThere: () => undefined, isOver: () => anybodys?.isOver() };
    const unfinished: Unfinished = { connection, call, isOver: false, looks: 0 };
    this.unfinished.add(unfinished);
    return {
      isThere: () => {
        this.unfinished.delete(unfinished);
        anybodys?.isThere();
      },
      isOver: () => {
        anybodys?.isOver();
        if (this.unfinished.has(unfinished)) this.leave(unfinished);
      },
    };
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
    this.leave({ connection, call, isOver: true, looks: 0 });
    if (!requestStream && !responseStream && lifeCycle?.wants('call ended') === true)
      lifeCycle.tell({ type: 'call ended', method: path, code: told.code, tookMs: 0 });
  }

  private look(): void {
    const { connections, limits } = this.options;
    const { sendWithinSeconds = SEND_WITHIN_SECONDS } = limits;
    this.halfOpen.look();
    this.anybodys.look();
    for (const unfinished of this.unfinished) {
      const { connection, call, isOver } = unfinished;
      unfinished.looks += 1;
      const isClosed = isOver && !isOpen(call);
      if (!isClosed && unfinished.looks <= sendWithinSeconds) continue;
      this.unfinished.delete(unfinished);
      if (!isClosed) connections.cut(connection);
    }
  }
}

/** A call that was let through, to be told of what becomes of it. */
interface Beginning {
  isThere(): void;
  /** In order or not, there or not. */
  isOver(): void;
}
