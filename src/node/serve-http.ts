/**
 * HTTP as a node serves it: nothing of it is loaded unless `http_listen` is set, for each command of owl waits for what is loaded.
 */

import type { Logger } from 'pino';
import type { Clock } from '../base/clock.js';
import { packageVersion } from '../base/package-version.js';
import type { Releasers } from '../base/releasers.js';
import type { LifeCycle } from '../runtime/life-cycle/life-cycle.js';
import type { Access } from './access/access.js';
import { authoriseBy } from './access/http-access.js';
import type { LoadedConfig } from './config/config.js';
import type { Health } from './health.js';
import type { MetricsOf } from './metrics/begin-metrics.js';
import type { OpenedSystem } from './services.js';
import type { HttpLimits } from './serving/http/http-server.js';
import type { ServerTls } from './serving/server-tls.js';

export interface HttpOptions {
  readonly httpLimits?: HttpLimits;
}

export interface ServeHttpOptions extends HttpOptions {
  readonly config: LoadedConfig;
  readonly tls: ServerTls | undefined;
  readonly health: Health;
  readonly metrics: MetricsOf | undefined;
  readonly access: Access;
  readonly clock: Clock;
  readonly lifeCycle: LifeCycle;
  readonly logger: Logger;
  readonly releasers: Releasers;
}

/** Answers under way get so long to end when the node stops. */
const DRAIN_MS = 5_000;

/** @returns its address; undefined where the node answers no HTTP */
export async function serveHttp(
  systems: readonly OpenedSystem[],
  {
    config: { config },
    health,
    metrics,
    access,
    tls,
    clock,
    lifeCycle,
    logger,
    releasers,
    httpLimits: limits = {},
  }: ServeHttpOptions,
): Promise<string | undefined> {
  const { http_listen: listen, http_hosts: hosts = [] } = config;
  if (listen === undefined) return undefined;
  const { startHttpServer } = await import('./serving/http/http-server.js');
  const page = metrics?.(systems);
  const server = await startHttpServer({
    ...{ listen, hosts, tls, clock, lifeCycle, logger, limits, version: packageVersion() },
    authorise: authoriseBy(access),
    systems: systems.map(({ system, side, opened }) => ({
      ...{ name: system.name, proto: side.proto, operations: opened.operations ?? [] },
      servedAsBefore: side.servedAsBefore === true,
    })),
    problem: () => health.reason,
    ...(page === undefined ? {} : { metrics: () => page.read() }),
  });
  releasers.add('HTTP server', () => server.stop(DRAIN_MS));
  return server.address;
}
