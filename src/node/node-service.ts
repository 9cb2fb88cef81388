/**
 * The handlers of proto/runtime.proto: what any node on the runtime tells of itself and lets its operators do.
 *
 * Guarantees: nothing that was parked stays unseen, and what can be mended can be applied again without a restart; a node
 * that refuses its work still answers here, and says why. While the store does not answer this node, nothing of it is called
 * caught up, and the reason stands with every reader.
 */

import type { Logger } from 'pino';
import { OwlError } from '../base/errors.js';
import { type LoopStatus, sentenceOf } from '../runtime/loops/loop-status.js';
import type { RebuildStatus } from '../runtime/read-models/rebuild.js';
import type { ParkedEvent } from '../runtime/readers/parked-events.js';
import type { Reader } from '../runtime/readers/reader.js';
import type { Runtime } from '../runtime/runtime.js';
import type { Access } from './access/access.js';
import { asBefore, type ServiceAccess } from './access/roles.js';
import { type Health, STORE } from './health.js';
import { unary } from './serving/calls.js';

/** Parked events told of one reader; the count says how many there are. */
const PARKED_SHOWN = 20;

/** Looking was there before there were credentials. Only talent's peers change something without: people have owl's own token. */
export const NODE_ACCESS: ServiceAccess = {
  ...asBefore({ node_status: { roles: ['reader', 'operator'], isQuery: true } }),
  redrive: { roles: ['operator'] },
  rebuild: { roles: ['operator'] },
};

const WELL: Pick<Health, 'reason' | 'reasonOf'> = { reason: undefined, reasonOf: () => undefined };

export interface NodeServiceOptions {
  readonly runtime: Runtime;
  readonly workerId: string;
  /** What it rests on; default: a node that nothing is known against. */
  readonly health?: Pick<Health, 'reason' | 'reasonOf'>;
  readonly logger: Logger;
  /** Who may ask; default: nobody was denied. */
  readonly access?: Pick<Access, 'denied'>;
  /** The names of the systems that this node runs. */
  readonly systems?: readonly string[];
}

export function nodeHandlers(options: NodeServiceOptions) {
  const { runtime, workerId, health = WELL, access, systems = [], logger } = options;

  async function status() {
    const { liveActors, caughtUp, share, loops, timers } = runtime.status();
    const away = health.reasonOf(STORE);
    return {
      worker_id: workerId,
      live_actors: liveActors,
      caught_up: caughtUp && away === undefined,
      share,
      not_serving: health.reason ?? '',
      systems,
      denied_calls: access?.denied ?? [],
      readers: runtime.readers().map((reader) => readerMessageOf(reader, away)),
      timers: {
        pending: timers.pending,
        next_due_time: (timers.nextDueAt ?? 0) / 1000,
        firing: timers.firing,
        failing: timers.failing,
        last_error: timers.lastError ?? '',
        late_seconds: timers.lateMs / 1000,
        most_late_seconds: timers.mostLateMs / 1000,
      },
      loops: loops.map(loopMessageOf),
    };
  }

  async function redrive({ reader = '', stream = '' }: { reader?: string; stream?: string }) {
    const found = runtime.readers().find(({ name }) => name === reader);
    if (found === undefined) throw unknownReader('reader', reader, runtime.readers());
    const { redriven, remaining } = await found.redrive(stream === '' ? undefined : stream);
    return { applied: redriven, still_parked: remaining };
  }

  async function rebuild({ projection = '' }: { projection?: string }) {
    const projections = runtime.readers().filter(({ kind }) => kind === 'projection');
    if (!projections.some(({ name }) => name === projection)) {
      throw unknownReader('projection', projection, projections);
    }
    await runtime.projector(projection).rebuild();
    return {};
  }

  return {
    node_status: unary(logger, status),
    redrive: unary(logger, redrive),
    rebuild: unary(logger, rebuild),
  };
}

function readerMessageOf(reader: Reader, away: string | undefined) {
  const { checkpoint, head, share, caughtUp, behindMs, parked, lastError, rebuild } = reader.status();
  return {
    name: reader.name,
    kind: reader.kind,
    checkpoint,
    head,
    caught_up: caughtUp && away === undefined,
    behind_seconds: behindMs / 1000,
    parked,
    last_error: lastError ?? away ?? '',
    parked_events: parked === 0 ? [] : reader.parked(PARKED_SHOWN).map(parkedMessageOf),
    share,
    rebuild: rebuild && rebuildMessageOf(rebuild),
  };
}

function loopMessageOf(loop: LoopStatus) {
  const { name, state, since, until, why, node, rounds, failures } = loop;
  return {
    ...{ name, state, rounds, failures },
    doing: sentenceOf(loop),
    since_time: since / 1000,
    next_time: until === undefined ? undefined : until / 1000,
    node: node ?? '',
    last_error: state === 'failing' ? (why ?? '') : '',
  };
}

function rebuildMessageOf({ share, checkpoint, head, lastError }: RebuildStatus) {
  return { share, checkpoint, head, last_error: lastError ?? '' };
}

function parkedMessageOf({ stream, revision, type, position, error, attempts, parkedAt }: ParkedEvent) {
  return { stream, revision, type, position, error, attempts, parked_time: parkedAt / 1000 };
}

function unknownReader(what: string, name: string, known: readonly Reader[]): OwlError {
  return new OwlError(
    'not_found',
    `there is no ${what} "${name}"; there are ${known.map((one) => one.name).join(', ')}`,
  );
}
