/**
 * What talent's processor time is spent on: sums a CPU profile of the benchmark's talent process by where the code lies.
 *
 *   BENCH_PROFILE=/tmp/profile npm run bench && node dist/bench/profile.js /tmp/profile
 */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';

const Profile = z.object({
  nodes: z.array(
    z.object({
      id: z.number(),
      callFrame: z.object({ functionName: z.string(), url: z.string() }),
      children: z.array(z.number()).default([]),
    }),
  ),
  samples: z.array(z.number()),
  /** Microseconds. */
  timeDeltas: z.array(z.number()),
});

/** First match wins. */
const PLACES: readonly (readonly [place: string, url: RegExp])[] = [
  ['grpc-js', /@grpc\/grpc-js/],
  ['protobuf', /protobufjs|@protobufjs|proto-loader/],
  ["EventStoreDB's messages (google-protobuf)", /google-protobuf|@eventstore/],
  ['XState', /xstate/],
  ['SQLite (statements, commits)', /photostructure|src\/base\/sqlite\.js/],
  ['machines/', /\/machines\//],
  ['projections/', /\/projections\//],
  ['EventStoreDB: adapter', /\/event-store\/eventstoredb\//],
  ['SQLite: adapter', /\/event-store\/sqlite\//],
  ['src/runtime/', /\/src\/runtime\//],
  ['src/systems/', /\/src\/systems\//],
  ['src/node/', /\/src\/node\//],
  ['src/base/', /\/src\/base\//],
  ['Node: HTTP/2, streams, crypto', /^node:/],
];

/** Code that protobufjs generates has no file. */
const GENERATED = /\$(encode|decode|fromObject|toObject)$/;

const OTHER = 'Node: native and other';

/** @param caller where it was called from: native functions have no file, and SQLite is one for whoever calls it */
function placeOf({ functionName, url }: { functionName: string; url: string }, caller: string): string {
  if (functionName === '(idle)') return 'idle';
  if (functionName === '(garbage collector)') return 'garbage collector';
  if (GENERATED.test(functionName)) return 'protobuf';
  return url === '' ? caller : (PLACES.find(([, pattern]) => pattern.test(url))?.[0] ?? OTHER);
}

const [folder = ''] = process.argv.slice(2);
const file = readdirSync(folder).find((name) => name.endsWith('.cpuprofile'));
if (file === undefined)
  throw new Error(`no .cpuprofile in ${folder}; run the benchmark with BENCH_PROFILE=${folder}`);
const { nodes, samples, timeDeltas } = Profile.parse(JSON.parse(readFileSync(join(folder, file), 'utf8')));

const callers = new Map(nodes.flatMap(({ id, children }) => children.map((child) => [child, id] as const)));
const places = new Map<number, string>();
// Who calls stands before whom it calls.
for (const { id, callFrame } of nodes)
  places.set(id, placeOf(callFrame, places.get(callers.get(id) ?? -1) ?? OTHER));
const spent = new Map<string, number>();
samples.forEach((id, i) => {
  const place = places.get(id) ?? OTHER;
  spent.set(place, (spent.get(place) ?? 0) + (timeDeltas[i] ?? 0));
});
spent.delete('idle');
const total = [...spent.values()].reduce((sum, micros) => sum + micros, 0);
for (const [place, micros] of [...spent].sort(([, a], [, b]) => b - a)) {
  console.log(`${((micros / total) * 100).toFixed(1).padStart(5)} %  ${place}`);
}
