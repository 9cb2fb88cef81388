/**
 * Every event of workloads for who follows them, over gRPC and as server-sent events; what of it is missed by nobody the feed says
 * (src/node/serving/event-feed.ts).
 *
 * Guarantee: each event has a cursor of its own, so who is cut off in the middle of a batch goes on behind what was taken.
 */

import { followed } from '../../../../node/operations/operation.js';
import { EventFeed } from '../../../../node/serving/event-feed.js';
import { cursorBehind } from '../../../../node/serving/feed-cursor.js';
import type { FeedEvent } from '../../../../node/serving/feed-tail.js';
import { eventMessageOf } from '../../../../node/serving/history.js';
import { categoryOf, idOf } from '../../../../runtime/event-store/event-store.js';
import type { Part, WorkloadContext } from '../workload-context.js';
import { EVENT_CATEGORIES, watchEvents } from './event-operations.js';

const PREFIX = 'wl_';
const FROM_NOW_ON = 'now';

export function openEvents({ runtime, clock }: WorkloadContext): Part {
  const categories = EVENT_CATEGORIES.map((name) => `${PREFIX}${name}`);
  const feed = new EventFeed({ runtime, clock, categories });
  return {
    operations: [
      followed(watchEvents, async function* ({ category: some, after }, { over }) {
        const asked = {
          ...(some.length === 0 ? {} : { categories: some.map((name) => `${PREFIX}${name}`) }),
          ...(after === undefined
            ? {}
            : { after: after === FROM_NOW_ON ? await runtime.store.head() : after }),
        };
        for await (const { events } of feed.follow(asked, over)) for (const one of events) yield told(one);
      }),
    ],
    endStreams: () => feed.close(),
  };
}

function told({ event, problem }: FeedEvent) {
  const { stream } = event;
  const { revision, type, time, by, data, causation_id: command_id } = eventMessageOf(event);
  const place = {
    cursor: cursorBehind(event),
    category: categoryOf(stream).slice(PREFIX.length),
    ...{ id: idOf(stream), revision },
  };
  // What is its own of one that can't be read nobody knows.
  if (problem !== undefined) return { ...place, problem: problem.reason };
  return { ...place, type, time, by, data, command_id };
}
