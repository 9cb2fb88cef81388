/**
 * Metrics of what a node serves: calls over gRPC, requests over HTTP, connections and streams.
 *
 * Guarantees: each method and route is told from the start, with each status that it may end with; labels are methods, routes as they
 * are declared and classes of statuses, never what was asked for, so there are only so many.
 */

import { status as GrpcStatus } from '@grpc/grpc-js';
import { GRPC_CODE_OF } from '../../base/errors.js';
import type { LifeCycle, Listens } from '../../runtime/life-cycle/life-cycle.js';
import { type Metric, one } from './metric.js';
import { Durations, type Sample } from './samples.js';
import { counter, histogram, Tally } from './tally.js';

export interface Route {
  readonly method: string;
  /** `/api/v1/talent/plot-tasks/{task_id}` */
  readonly route: string;
}

export interface ServedNames {
  /** Paths of those with one answer. */
  readonly methods: readonly string[];
  /** Asked at a scrape: there are none before systems are open. */
  routes(): readonly Route[];
}

type On = LifeCycle['on'];
type Counted = Metric<undefined>;

/** Those of a call that is answered or refused. */
const STATUSES = [
  ...new Set([GrpcStatus.OK, ...Object.values(GRPC_CODE_OF), GrpcStatus.INTERNAL].map(statusName)),
];
/** `cut`: its connection has ended before its answer. */
const CLASSES = ['2xx', '4xx', '5xx', 'cut'];
const OTHER = 'other';
const LISTENERS: readonly Listens[] = ['grpc', 'http'];

export function servingMetrics(on: On, names: ServedNames): Counted[] {
  return [...callMetrics(on, names), ...requestMetrics(on, names), ...heldMetrics(on)];
}

function callMetrics(on: On, { methods }: ServedNames): Counted[] {
  const calls = new Tally(
    methods.flatMap((method) => STATUSES.map((status): [string, string] => [method, status])),
  );
  const times = new Durations();
  on('call ended', ({ method, code, tookMs }) => {
    calls.add(method, statusName(code));
    times.observe(tookMs);
  });
  return [
    {
      name: 'owl_grpc_calls_total',
      help: 'Calls over gRPC with one answer, by method and status',
      ...counter(['method', 'status'], calls),
    },
    {
      name: 'owl_grpc_call_duration_seconds',
      help: 'Calls over gRPC from their beginning in the service to their answer',
      ...histogram(times),
    },
  ];
}

function requestMetrics(on: On, { routes }: ServedNames): Counted[] {
  const requests = new Requests();
  const times = new Durations();
  on('request ended', ({ method, route, status, tookMs }) => {
    requests.add(route, method, status);
    if (tookMs !== undefined) times.observe(tookMs);
  });
  return [
    {
      name: 'owl_http_requests_total',
      help: 'Requests over HTTP, streams too, by route, method and class of status; cut: the connection ended before the answer',
      type: 'counter',
      labels: ['route', 'method', 'status'],
      samples: () => requests.samples(routes()),
    },
    {
      name: 'owl_http_request_duration_seconds',
      help: 'Requests over HTTP from their headers to the end of their answer; not streams',
      ...histogram(times),
    },
  ];
}

/** By method and class, for each route; what no route is for counts as one other. */
class Requests {
  private readonly byRoute = new Map<string, Tally>();

  constructor() {
    this.know(undefined, OTHER);
  }

  add(route: string | undefined, method: string, status: number): void {
    this.of(route).add(route === undefined ? OTHER : method, classOf(status));
  }

  samples(routes: readonly Route[]): Sample[] {
    for (const { route, method } of routes) this.know(route, method);
    return [...this.byRoute].flatMap(([route, tally]) =>
      tally
        .samples(['method', 'status'])
        .map(({ labels, value }) => ({ labels: { route, ...labels }, value })),
    );
  }

  private know(route: string | undefined, method: string): void {
    const tally = this.of(route);
    for (const status of CLASSES) tally.know(method, status);
  }

  private of(route = OTHER): Tally {
    const known = this.byRoute.get(route);
    if (known !== undefined) return known;
    const tally = new Tally();
    this.byRoute.set(route, tally);
    return tally;
  }
}

function heldMetrics(on: On): Counted[] {
  const held = new Map<Listens, number>(LISTENERS.map((listener) => [listener, 0]));
  on('connections held', ({ listener, connections }) => held.set(listener, connections));
  let streams = 0;
  on('streams held', (told) => {
    streams = told.streams;
  });
  return [
    {
      name: 'owl_connections',
      help: 'Connections that are open now, by what is spoken on them',
      type: 'gauge',
      labels: ['listener'],
      samples: () => [...held].map(([listener, value]) => ({ labels: { listener }, value })),
    },
    {
      name: 'owl_http_streams',
      help: 'Streams of events that are open over HTTP now',
      type: 'gauge',
      samples: () => one(streams),
    },
  ];
}

function statusName(code: number): string {
  return GrpcStatus[code] ?? 'UNKNOWN';
}

function classOf(status: number): string {
  return status === 0 ? 'cut' : `${Math.floor(status / 100)}xx`;
}
