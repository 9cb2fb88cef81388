/**
 * What happens in a node, told as it happens: the one tap for metrics and tests. The log is for people, the history for what
 * was decided; this is neither kept nor repeated.
 *
 * Guarantees: nothing is made for an event that nobody listens to, since whoever tells one asks `wants` first; a listener is
 * called in the turn in which it happened, in the order in which it began to listen; one that throws is told in the log, and
 * keeps neither the others nor what happens from going on.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import type { ErrorKind } from '../../base/errors.js';
import type { StreamName } from '../event-store/event-store.js';

/** Of a node. */
export type Listens = 'grpc' | 'http';

/** Times are durations in milliseconds. */
export type LifeCycleEvent =
  /** `by` as the command has it: a peer, `reactor:<name>`, `timer:<name>`. `events` 0: it changed nothing. */
  | {
      readonly type: 'command carried out';
      readonly category: string;
      readonly by: string | undefined;
      readonly events: number;
      readonly tookMs: number;
    }
  | {
      readonly type: 'command refused';
      readonly category: string;
      readonly by: string | undefined;
      readonly kind: ErrorKind | 'internal';
    }
  | {
      readonly type: 'events appended';
      readonly category: string;
      readonly events: number;
      readonly tookMs: number;
    }
  /** Kind `conflict`: another writer was faster, and it is decided again. */
  | {
      readonly type: 'append failed';
      readonly category: string;
      readonly kind: ErrorKind | 'internal';
      readonly tookMs: number;
    }
  /** One flush of the embedded store, for so many appends. */
  | {
      readonly type: 'store flushed';
      readonly appends: number;
      readonly events: number;
      readonly tookMs: number;
    }
  | { readonly type: 'events applied'; readonly projection: string; readonly events: number }
  | {
      readonly type: 'event parked';
      readonly reader: string;
      readonly stream: StreamName;
      readonly event: string;
      readonly reason: string;
    }
  | {
      readonly type: 'events redriven';
      readonly reader: string;
      readonly redriven: number;
      readonly remaining: number;
    }
  | {
      readonly type: 'timer fired';
      readonly category: string;
      readonly name: string;
      readonly lateMs: number;
    }
  /** `what` is a kind of peer, or `loop`. */
  | { readonly type: 'lease taken'; readonly what: string; readonly id: string }
  | { readonly type: 'lease lost'; readonly what: string; readonly id: string; readonly reason: string }
  /** After each change of it: how many leases of a kind of peer this node keeps now. */
  | { readonly type: 'leases kept'; readonly what: string; readonly leases: number }
  | { readonly type: 'loop round'; readonly loop: string; readonly tookMs: number }
  | {
      readonly type: 'loop failed';
      readonly loop: string;
      readonly failures: number;
      readonly reason: string;
    }
  | {
      readonly type: 'loop waits';
      readonly loop: string;
      readonly state: string;
      readonly why: string | undefined;
    }
  /** `code` is that of gRPC, 0 for an answer. */
  | { readonly type: 'call ended'; readonly method: string; readonly code: number; readonly tookMs: number }
  /**
   * Over HTTP. `route` as it is declared, `/plot-tasks/{task_id}`, and undefined where there is none; `status` 0: it was cut off
   * before there was an answer; `tookMs` undefined: its answer was a stream.
   */
  | {
      readonly type: 'request ended';
      readonly method: string;
      readonly route: string | undefined;
      readonly status: number;
      readonly tookMs: number | undefined;
    }
  /** After each change of it. */
  | {
      readonly type: 'connections held';
      readonly listener: Listens;
      readonly connections: number;
    }
  /** Over HTTP, after each change of it. */
  | { readonly type: 'streams held'; readonly streams: number }
  | { readonly type: 'store away'; readonly reason: string }
  | { readonly type: 'store back' }
  | { readonly type: 'node starting' | 'node serving' | 'node stopping' | 'node stopped' };

export type LifeCycleType = LifeCycleEvent['type'];
export type LifeCycleEventOf<Type extends LifeCycleType> = Extract<LifeCycleEvent, { type: Type }>;

type Listener = (event: LifeCycleEvent) => void;

export class LifeCycle {
  private readonly logger: Logger;
  private readonly followers = new Set<Listener>();
  private readonly byType = new Map<LifeCycleType, Set<Listener>>();

  private readonly clock: Clock;

  constructor(logger: Logger, clock: Clock) {
    this.logger = logger;
    this.clock = clock;
  }

  /** What durations are measured with. Milliseconds. */
  now(): number {
    return this.clock.monotonic();
  }

  /** Whether anybody listens to events of this type. To be asked before one is made. */
  wants(type: LifeCycleType): boolean {
    return this.followers.size > 0 || this.byType.has(type);
  }

  /** Hears the events of one type from now on. @returns takes the listener away again */
  on<Type extends LifeCycleType>(type: Type, listener: (event: LifeCycleEventOf<Type>) => void): () => void {
    const isOfType = (event: LifeCycleEvent): event is LifeCycleEventOf<Type> => event.type === type;
    const ofType: Listener = (event) => {
      if (isOfType(event)) listener(event);
    };
    const listeners = this.byType.get(type) ?? new Set();
    this.byType.set(type, listeners.add(ofType));
    return () => {
      listeners.delete(ofType);
      if (listeners.size === 0 && this.byType.get(type) === listeners) this.byType.delete(type);
    };
  }

  /** Hears all of them. @returns takes the listener away again */
  follow(listener: Listener): () => void {
    const own: Listener = (event) => listener(event);
    this.followers.add(own);
    return () => this.followers.delete(own);
  }

  /** Never throws. */
  tell(event: LifeCycleEvent): void {
    for (const listener of this.byType.get(event.type) ?? []) this.tellOne(listener, event);
    for (const listener of this.followers) this.tellOne(listener, event);
  }

  private tellOne(listener: Listener, event: LifeCycleEvent): void {
    try {
      listener(event);
    } catch (error) {
      this.logger.error({ err: error, event: event.type }, 'a listener of life-cycle events threw');
    }
  }
}
