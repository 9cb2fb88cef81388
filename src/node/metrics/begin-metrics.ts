/**
 * The metrics of a node, put together: its own, and those that its systems declare.
 *
 * Guarantee: nothing is counted and nothing listens where the node answers no HTTP, for then nobody can read it.
 */

import type { Logger } from 'pino';
import type { Clock } from '../../base/clock.js';
import { packageVersion } from '../../base/package-version.js';
import type { Releasers } from '../../base/releasers.js';
import type { Runtime } from '../../runtime/runtime.js';
import { loadProto, serviceOf } from '../../wire/proto.js';
import type { Access } from '../access/access.js';
import { deniedCaller } from '../access/denied-caller.js';
import { servicesIn } from '../clashes.js';
import type { NodeConfig } from '../config/node-section.js';
import type { Health } from '../health.js';
import type { OpenedSystem } from '../services.js';
import { OWN_PAGES } from '../serving/http/own-pages.js';
import type { ServiceSide } from '../system.js';
import { lifeCycleMetrics } from './life-cycle-metrics.js';
import { assertMetrics } from './metric.js';
import { MetricsPage } from './metrics-page.js';
import { healthMetrics, nodeMetrics } from './node-metrics.js';
import { eventLoopMetrics, processMetrics, storeMetrics } from './process-metrics.js';
import type { Route } from './serving-metrics.js';

export interface BeginMetricsOptions {
  readonly config: { readonly config: Pick<NodeConfig, 'http_listen'> };
  readonly runtime: Runtime;
  readonly health: Health;
  readonly access: Access;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly releasers: Releasers;
}

/** Given the systems that were opened, the page. @throws Error for a metric that is declared against the rules */
export type MetricsOf = (systems: readonly OpenedSystem[]) => MetricsPage;

/** Counts from now on. @returns undefined where nobody can read it */
export function beginMetrics(
  sides: readonly Pick<ServiceSide, 'actorTypes' | 'projections' | 'proto'>[],
  { config: { config }, runtime, health, access, clock, logger, releasers }: BeginMetricsOptions,
): MetricsOf | undefined {
  if (config.http_listen === undefined) return undefined;
  const types = sides.flatMap(({ actorTypes }) => actorTypes);
  const hasTimers = types.some(({ timers }) => timers !== undefined);
  const told = { runtime, health, access, hasTimers, version: packageVersion() };
  let routes: readonly Route[] = OWN_PAGES.map((route) => ({ method: 'GET', route }));
  const own = [
    healthMetrics(told),
    nodeMetrics(told),
    lifeCycleMetrics(runtime.lifeCycle, {
      categories: [...types, deniedCaller].map(({ category }) => category),
      projections: [
        ...sides.flatMap(({ projections }) => projections.map(({ name }) => name)),
        ...(hasTimers ? ['timers'] : []),
      ],
      methods: [...sides.map(({ proto }) => proto), loadProto('runtime')].flatMap(unaryPathsIn),
      routes: () => routes,
      loops: () => runtime.status().loops.map(({ name }) => name),
    }),
    eventLoopMetrics(clock),
    processMetrics(),
    storeMetrics(runtime.db.path),
  ];
  assertMetrics(own, (name) => name.startsWith('owl_') || name.startsWith('process_'));
  releasers.add('metrics', () => {
    for (const group of own) group.stop?.();
  });
  return (systems) => {
    routes = [...routes, ...systems.flatMap(routesOf)];
    const theirs = systems.flatMap(({ system, opened }) => {
      const groups = opened.metrics?.() ?? [];
      releasers.add(`metrics of ${system.name}`, () => {
        for (const group of groups) group.stop?.();
      });
      assertMetrics(groups, (name) => name.startsWith(`${system.name}_`));
      return groups;
    });
    return new MetricsPage({ groups: [...own, ...theirs], clock, logger });
  };
}

/** Of methods with one answer. */
function unaryPathsIn(proto: ServiceSide['proto']): string[] {
  const methods = servicesIn(proto).flatMap((name) => Object.values(serviceOf(proto, name)));
  return methods.flatMap((one) => (one.requestStream || one.responseStream ? [] : [one.path]));
}

function routesOf({ system: { name }, opened: { operations = [] } }: OpenedSystem): Route[] {
  return operations.map(({ operation: { http } }) => ({
    method: http.method,
    route: `/api/v1/${name}${http.path}`,
  }));
}
