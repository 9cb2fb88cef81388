/**
 * Bare append loops on the EventStoreDB that BENCH_STORE names: `client` through the package that owl's adapter takes the
 * protocol from, `adapter` through owl's adapter. Both append, one event at a time, what talent has stored of one plot,
 * to streams of their own.
 */

import { randomUUID } from 'node:crypto';
import { EventStoreDBClient, jsonEvent, NO_STREAM } from '@eventstore/db-client';
import { pino } from 'pino';
import { z } from 'zod';
import { type StreamName, streamName } from '../src/runtime/event-store/event-store.js';
import { openEventStoreDb } from '../src/runtime/event-store/eventstoredb/eventstoredb-store.js';
import type { Run } from './load.js';
import { playPart } from './part-main.js';

export interface AppendLoopQuestion {
  /** The plot whose events are appended: where it is stored (a connection string), and its stream. */
  readonly plotStore: string;
  readonly plot: StreamName;
  /** How many streams are written at a time, one append under way for each. */
  readonly inFlight: number;
  readonly seconds: number;
}

const Question = z.object({
  plotStore: z.string(),
  plot: z.string(),
  inFlight: z.number(),
  seconds: z.number(),
});

/** Appends one event of the plot to a stream that has as many events as come before it. */
type Append = (stream: StreamName) => Promise<void>;

interface Store {
  /** One function for each event of the plot, in order. */
  appendsOf(plotStore: string, plot: StreamName): Promise<readonly Append[]>;
  close(): Promise<void>;
}

const [kind] = process.argv.slice(2);
const connectionString = process.env['BENCH_STORE'] ?? '';
const store = kind === 'adapter' ? await openAdapter() : openClient();
let known: readonly Append[] | undefined;
let plots = 0;

playPart({
  address: '',
  stop: () => store.close(),
  answer: async (question) => {
    const { plotStore, plot, inFlight, seconds } = Question.parse(question);
    known ??= await store.appendsOf(plotStore, plot);
    return await run(known, inFlight, seconds);
  },
});

/** Runs `inFlight` callers, each storing one plot after another, until the time is over. */
async function run(appends: readonly Append[], inFlight: number, seconds: number): Promise<Run> {
  const until = performance.now() + seconds * 1000;
  let messages = 0;
  const before = plots;
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      while (performance.now() < until) {
        const stream = streamName(`bare_${kind}`, randomUUID());
        for (const append of appends) {
          if (performance.now() >= until) return;
          await append(stream);
          messages += 1;
        }
        plots += 1;
      }
    }),
  );
  return { messages, plots: plots - before, seconds: (performance.now() - begun) / 1000 };
}

function openClient(): Store {
  const client = EventStoreDBClient.connectionString(connectionString);
  return {
    async appendsOf(plotStore, plot) {
      const source = EventStoreDBClient.connectionString(plotStore);
      const appends: Append[] = [];
      for await (const { event } of source.readStream(plot)) {
        if (event?.isJson !== true) throw new Error(`${plot} holds more than events of owl`);
        const { type, data, metadata } = event;
        const expectedRevision = event.revision === 0n ? NO_STREAM : event.revision - 1n;
        appends.push(async (stream) => {
          await client.appendToStream(stream, jsonEvent({ type, data, metadata }), { expectedRevision });
        });
      }
      await source.dispose();
      return appends;
    },
    close: () => client.dispose(),
  };
}

async function openAdapter(): Promise<Store> {
  const logger = pino({ level: 'error' });
  const adapter = await openEventStoreDb({ connectionString, logger });
  return {
    async appendsOf(plotStore, plot) {
      const source = await openEventStoreDb({ connectionString: plotStore, logger });
      const appends: Append[] = [];
      for await (const { revision, type, version, data, metadata } of source.readStream(plot)) {
        const expected = revision === 0 ? 'noStream' : revision - 1;
        appends.push(async (stream) => {
          await adapter.append(stream, expected, [{ id: randomUUID(), type, version, data, metadata }]);
        });
      }
      await source.close();
      return appends;
    },
    close: () => adapter.close(),
  };
}
