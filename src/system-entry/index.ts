/**
 * `owl-fleet/system`: what a system is written with that lives in a package of its own (docs/a-new-system.md). What stands here
 * keeps its name and its shape within a major version; what does not is owl's own.
 *
 * Guarantee: loading this loads no library that the command line of owl does not load, so that a program with further systems prints
 * its help as quickly as `owl` does.
 */

import type { System } from '../cli/system.js';
import type { RunningNode, StartNodeOptions } from '../node/node.js';

export {
  ATTACHED_FIELDS,
  DETACHED_FIELDS,
  KEPT_FIELDS,
  keptBy,
  type LeaseContext,
  type LeaseEventNames,
  type LeaseStatus,
  LOST_FIELDS,
  leaseOf,
  leaseStates,
  NO_LEASE,
  RETURNED_FIELDS,
} from '../../machines/peers/lease.js';
export { type PeersTable, peersProjection, selectPeers } from '../../projections/peers/peers.js';
export type { Clock } from '../base/clock.js';
export { systemClock } from '../base/clock.js';
export {
  type ErrorKind,
  type FieldProblem,
  InvalidFieldError,
  messageOf,
  OwlError,
  RevisionConflictError,
  StoreUnavailableError,
} from '../base/errors.js';
export * as rules from '../base/field-rules.js';
export { type Database, numberIn, type SqlRow, type SqlValue, type Statement, textIn } from '../base/sql.js';
export { UsageError } from '../cli/exit.js';
export { printable, toJson } from '../cli/format.js';
export { clientOptions, type GlobalOptions, withClient } from '../cli/globals.js';
export { addExamples } from '../cli/help.js';
export type {
  AskedWork,
  CheckedMachine,
  Cli,
  Example,
  ExampleOf,
  MachinePlace,
  MachineSide,
  System,
  SystemWork,
  WorkItem,
} from '../cli/system.js';
export { type Column, renderTable } from '../cli/table.js';
export type { Terminal } from '../cli/terminal.js';
export { type MethodAccess, type Role, type ServiceAccess, workerInField } from '../node/access/roles.js';
export { type LoadedConfig, Settings } from '../node/config/config.js';
export {
  type ConfigSection,
  configSection,
  type KeyMeaning,
  meant,
  wholeNumber,
} from '../node/config/config-section.js';
export { type Metric, type MetricGroup, metricGroup, one } from '../node/metrics/metric.js';
export * as fields from '../node/operations/fields.js';
export {
  type Asking,
  answered,
  followed,
  type HttpRoute,
  type Operation,
  operation,
  type ServedOperation,
} from '../node/operations/operation.js';
export { acknowledgedStream, type Peer, serverStream, type UnderWay, unary } from '../node/serving/calls.js';
export { ChangeFeed } from '../node/serving/change-feed.js';
export { EventFeed, type FeedBatch } from '../node/serving/event-feed.js';
export type { FeedEvent } from '../node/serving/feed-tail.js';
export { eventMessageOf, historyOf } from '../node/serving/history.js';
export { type Page, pageOf, pageTokens, readPageSize } from '../node/serving/pages.js';
export { rowNews, type WatchedRows, watchRows } from '../node/serving/watch.js';
export type { Finding } from '../node/start-check.js';
export type { NodeContext, NodeRuntime, OpenedService, ServiceSide } from '../node/system.js';
export { LeaseHolder, type LeaseHolderHooks } from '../peers/holder/lease-holder.js';
export { GO_ON, type LeasePolicy } from '../peers/holder/lease-terms.js';
export { peerCalls } from '../peers/holder/peer-calls.js';
export {
  type Handover,
  type PeerKind,
  type PeerLease,
  SELDOM,
  WITHIN_TWO_LEASES,
} from '../peers/peer-kind.js';
export { Peers, type PeersOptions } from '../peers/served-peers.js';
export { KeeperLink, type KeeperLinkOptions, type KeeperNews } from '../processes/keeper/keeper-link.js';
export type { ProcessStart } from '../processes/keeper/process-start.js';
export { runKeeper } from '../processes/keeper/run-keeper.js';
export { MachineDirectory, type MachineNames } from '../processes/machine-directory.js';
export * as checks from '../processes/records/checks.js';
export type { ProcessKind } from '../processes/records/process-kind.js';
export type { ProcessEnd, ProcessRecord } from '../processes/records/process-record.js';
export { ProcessRecords } from '../processes/records/process-records.js';
export type {
  ActorTimers,
  ActorType,
  AnsweredDecision,
  Asked,
  Command,
  CommandResult,
  Decided,
  DomainEvent,
  TimerChange,
} from '../runtime/actors/actor-type.js';
export {
  bytesUpTo,
  type DataOf,
  type EventSchema,
  type EventSchemas,
  type EventsOf,
  type FieldKind,
  type FieldSpec,
  type FieldSpecs,
  LIMITS,
  type LimitedSpec,
  type ListSpec,
  listOf,
  type MapSpec,
  mapOf,
  type OptionalSpec,
  optional,
  type RecordSpec,
  record,
  textUpTo,
  type ValueOf,
  type ValueSpec,
} from '../runtime/event-store/event-schema.js';
export {
  categoryOf,
  type EventMetadata,
  idOf,
  type Json,
  type JsonObject,
  type RecordedEvent,
  type StreamName,
  streamName,
} from '../runtime/event-store/event-store.js';
export type { LifeCycle, LifeCycleEvent } from '../runtime/life-cycle/life-cycle.js';
export type { Loop, LoopContext, LoopRest } from '../runtime/loops/loop.js';
export {
  type Chain,
  type ChainContext,
  type ChainedCommand,
  type ChainResult,
  executeChain,
  safetyNet,
} from '../runtime/reactors/chain.js';
export {
  commandTo,
  type Reactor,
  type ReactorCommand,
  type ReactorContext,
} from '../runtime/reactors/reactor.js';
export type { Projection, ProjectionTable, ProjectionWriter } from '../runtime/read-models/projection.js';
export {
  firstToken,
  hasToken,
  markOf,
  NO_TOKENS,
  type TokenSet,
  tokenOfNumber,
  tokensOf,
  withoutToken,
  withToken,
} from '../state/token-set.js';
export { SYSTEMS } from '../systems.js';
export type { ClientCredentials } from '../wire/credentials.js';
export { NodeClient } from '../wire/node-client.js';
export { PeersClient } from '../wire/peers-client.js';
export { loadProtoFile, methodOf, serviceOf } from '../wire/proto.js';
export { type Method, ServiceClient, type ServiceClientOptions } from '../wire/service-client.js';

/**
 * Is `owl` with these systems instead of its own: takes the command line of this process, its terminal and its signals, and sets its
 * exit code. `[...SYSTEMS, mine]` is owl with one more; the first one is what a node runs where nobody says otherwise.
 * @param program `import.meta.url` of the executable: what `owl up` starts runs it as well
 */
export async function main(systems: readonly System[], program: string): Promise<void> {
  const { runProgram } = await import('../program.js');
  await runProgram(systems, program);
}

/** Starts a node in this process, for tests. */
export async function startNode(options: StartNodeOptions): Promise<RunningNode> {
  return await (await import('../node/node.js')).startNode(options);
}
