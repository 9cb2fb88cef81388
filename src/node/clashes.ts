/**
 * What two systems of one owl can't both have, nor one of them twice. Guarantee: a clash is told in one sentence with the names of
 * both systems and of all they share; what the node has for itself counts as a system called `owl`.
 */

import { OwlError } from '../base/errors.js';
import { LOOP_LEASES } from '../runtime/loops/lease-records.js';
import { RUNTIME_TABLES, tablesOf } from '../runtime/read-models/projection.js';
import { deniedCaller } from './access/denied-caller.js';
import { CONFIG_VARIABLE, SERVER_VARIABLE } from './config/config.js';
import { type ConfigKey, keysOf } from './config/config-section.js';
import { nodeSection } from './config/node-section.js';
import type { ServedSystem, ServiceSide } from './system.js';

/** What a system claims for itself. */
export interface Claims {
  readonly owner: string;
  /** By what they are names of, as the sentence has it. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** What it can be configured with. */
  readonly keys?: readonly Pick<ConfigKey, 'key' | 'variable'>[];
}

/** How sentences call them. */
const KEY = 'key of the configuration';
const SERVICE = 'gRPC service';

/** What the node has for itself. */
const OWN: Claims = {
  owner: 'owl',
  names: {
    category: [LOOP_LEASES.category, deniedCaller.category],
    projection: ['timers'],
    table: RUNTIME_TABLES,
    [SERVICE]: ['owl.Node', 'owl.Peers', 'grpc.health.v1.Health'],
    [KEY]: Object.keys(nodeSection([]).shape),
  },
  keys: [
    ...keysOf(nodeSection([]).shape),
    { key: '--config', variable: CONFIG_VARIABLE },
    { key: '--server', variable: SERVER_VARIABLE },
  ],
};

/** @throws OwlError kind `refused` that names the first two that share something, and what */
export function assertNoClash(claims: readonly Claims[]): void {
  const all = [OWN, ...claims];
  for (const [index, one] of all.entries()) {
    assertOneKeyAVariable(one);
    assertNoneTwice(one);
    for (const other of all.slice(index + 1)) {
      const shared = sharedBy(one, other);
      if (shared === '') continue;
      throw new OwlError(
        'refused',
        `${one.owner} and ${other.owner} can't be systems of one owl: both have ${shared}; leave one of them out`,
      );
    }
  }
}

/** What is known before anything of a system's service is loaded. */
export function claimsOf({ name, config }: ServedSystem): Claims {
  return {
    owner: name,
    names: { name: [name], [KEY]: Object.keys(config.shape) },
    keys: keysOf(config.shape),
  };
}

/** All of it. What is kept comes first, for that can't be called otherwise later. */
export function claimsOfService(
  system: ServedSystem,
  { actorTypes, projections, proto }: ServiceSide,
): Claims {
  const names = {
    category: actorTypes.map(({ category }) => category),
    projection: projections.map(({ name }) => name),
    // SQLite takes names of one spelling for one.
    table: projections.flatMap(tablesOf).map(({ table }) => table.toLowerCase()),
    [SERVICE]: servicesIn(proto),
  };
  const { names: known, ...declared } = claimsOf(system);
  return { ...declared, names: { ...names, ...known } };
}

/** The full names of the services in a proto file. */
export function servicesIn(proto: ServiceSide['proto']): string[] {
  return Object.entries(proto).flatMap(([name, entry]) => ('format' in entry ? [] : [name]));
}

function sharedBy(one: Claims, other: Claims): string {
  const shared = Object.entries(one.names).flatMap(([kind, names]) => {
    const taken = names.filter((name) => other.names[kind]?.includes(name));
    return taken.length === 0 ? [] : [`the ${kind} ${taken.join(' and ')}`];
  });
  return [...shared, ...sharedVariables(one.keys, other.keys)].join(', ');
}

/** `a_b.c` and `a.b_c` are two keys of the file, and one variable and one flag elsewhere. */
function sharedVariables(some: Claims['keys'] = [], others: Claims['keys'] = []): string[] {
  return some.flatMap(({ key, variable }) => {
    const other = others.find((one) => one.variable === variable && one.key !== key);
    return other === undefined ? [] : [`the variable ${variable} (of ${key} and of ${other.key})`];
  });
}

/** @throws OwlError kind `refused` that names what one system has for two things */
function assertNoneTwice({ owner, names }: Claims): void {
  for (const [kind, given] of Object.entries(names)) {
    const twice = given.find((name, index) => given.indexOf(name) < index);
    if (twice !== undefined)
      throw new OwlError(
        'refused',
        `${owner} has the ${kind} ${twice} twice; one of them needs another name`,
      );
  }
}

/** @throws OwlError kind `refused` that names both keys */
function assertOneKeyAVariable({ owner, keys }: Claims): void {
  const [shared] = sharedVariables(keys, keys);
  if (shared === undefined) return;
  throw new OwlError('refused', `${owner} has ${shared} twice; one of the keys needs another name`);
}
