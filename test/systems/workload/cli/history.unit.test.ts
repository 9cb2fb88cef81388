/** The history of a pilot: what it reports of itself each minute hides nothing of what happened to it. */

import t from 'tap';
import { printEvents } from '../../../../src/cli/entity-history.js';
import { Settings } from '../../../../src/node/config/config.js';
import { HISTORY_WORDS } from '../../../../src/systems/workload/cli/history.js';
import type { EntityEvent } from '../../../../src/systems/workload/wire/messages.js';
import { terminalDouble } from '../../../support/terminal-double.js';

const reported = (revision: number): EntityEvent => ({
  ...{ revision, type: 'PilotReported', time: 1, data: '{"slots_used":0,"rss":1048576}' },
});
const EVENTS: readonly EntityEvent[] = [
  { revision: 0, type: 'PilotAttached', time: 1, data: '{"peer_id":"p1","slots":2}' },
  ...[reported(1), reported(2)],
  { revision: 3, type: 'PilotDrainRequested', time: 1, data: '{"reason":"dust"}' },
];

async function* each(events: readonly EntityEvent[]) {
  yield* events;
}

async function printed(options: { json?: boolean; all?: boolean }, events = EVENTS) {
  const terminal = terminalDouble();
  const cli = { ...terminal, settings: new Settings([]), systems: [] };
  const error = await printEvents(cli, options, each(events), HISTORY_WORDS.pilot).catch(
    (thrown: unknown) => thrown,
  );
  return { error, stdout: terminal.stdout(), stderr: terminal.stderr() };
}

t.test('reports are left out and counted, and shown to who wants them', async (t) => {
  const { stdout, stderr } = await printed({});
  t.match(stdout, /^ +0 .* attached +slots 2\n +3 .* drain requested +reason dust\n$/m);
  t.equal(stderr, '2 reports of each minute left out; --all shows them\n');
  const all = await printed({ all: true });
  t.match(all.stdout, /^ +2 .* reported +slots_used 0, rss 1\.0 MiB\n +3 /m);
  t.equal(all.stderr, '');
});

t.test('programs get all of them', async (t) => {
  const { stdout, stderr } = await printed({ json: true });
  t.strictSame(
    stdout
      .trim()
      .split('\n')
      .map((line): unknown => JSON.parse(line)),
    EVENTS,
  );
  t.equal(stderr, '');
});

t.test('what can not be read on is told behind what could be', async (t) => {
  const damaged = [...EVENTS, { revision: 4, problem: 'its check sum is wrong' }];
  const error = { kind: 'refused', message: "it can't be read on from revision 4: its check sum is wrong" };
  const table = await printed({}, damaged);
  t.match(table.error, error);
  t.match(table.stdout, /drain requested +reason dust\n$/);
  const lines = await printed({ json: true }, damaged);
  t.match(lines.error, error);
  t.match(lines.stdout, /"problem":"its check sum is wrong"}\n$/);
});
