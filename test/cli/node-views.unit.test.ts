/** A node as its operators see it. */

import t from 'tap';
import { nodeCard } from '../../src/cli/node-views.js';
import { textWidth } from '../../src/cli/text-width.js';
import type { NodeStatus } from '../../src/wire/node-messages.js';

const PARKED = new Date(2026, 2, 9, 14, 0, 0).getTime() / 1000;

const WELL: NodeStatus = {
  worker_id: 'node-7',
  live_actors: 12,
  caught_up: true,
  readers: [
    { name: 'plot_tasks', kind: 'projection', caught_up: true, share: 1, checkpoint: '0000000000000042' },
    { name: 'lost_supervisors', kind: 'reactor', caught_up: true, share: 1, checkpoint: '0000000000000040' },
  ],
  timers: {},
};

const ILL: NodeStatus = {
  worker_id: 'node-7',
  share: 0.4239,
  readers: [
    {
      name: 'plot_tasks',
      kind: 'projection',
      behind_seconds: 192,
      share: 0.4239,
      checkpoint: '0000000000000042',
      parked: 24,
      last_error: 'owl.db is full; make room on its disk',
      parked_events: [
        {
          stream: 'plot_task-task_3f2a91b4-7a44-4a0e-9a51-0f6f3a1c7d52',
          revision: 5,
          type: 'PlotTaskRunning',
          position: '0000000000000017',
          error: 'plot_tasks shows it at revision 3; revision 5 would leave a hole',
          attempts: 3,
          parked_time: PARKED,
        },
        { stream: 'plot_task-t2', type: 'PlotTaskReceived', error: 'a\u001b[31m', attempts: 1 },
        { stream: 'plot_task-task_3f2a91b4-7a44-4a0e-9a51-0f6f3a1c7d52', revision: 6, error: 'waits' },
        { stream: 'plot_task-task_3f2a91b4-7a44-4a0e-9a51-0f6f3a1c7d52', revision: 7, error: 'waits' },
      ],
    },
    { name: 'supervisors', kind: 'projection', caught_up: true, share: 1, checkpoint: '0000000000000042' },
  ],
  timers: {
    pending: 3,
    next_due_time: PARKED,
    firing: 2,
    late_seconds: 75,
    most_late_seconds: 80,
    failing: 1,
    last_error: 'supervisor w1 is not there',
  },
};

t.test('a node that is well is told in a few lines', async (t) => {
  t.equal(
    nodeCard(WELL, { width: 80 }),
    'worker       node-7\n' +
      'live actors  12\n' +
      'read models  hold all that is stored\n' +
      'timers       0 pending\n' +
      '\n' +
      'READER            KIND          READ   LAG  PARKED  CHECKPOINT\n' +
      'plot_tasks        projection  100.0%  none       0  0000000000000042\n' +
      'lost_supervisors  reactor     100.0%  none       0  0000000000000040\n',
  );
});

t.test('lag, what is parked, stream by stream, and why, and failing timers are told', async (t) => {
  t.equal(
    nodeCard(ILL, { width: 110 }),
    'worker       node-7\n' +
      'live actors  0\n' +
      'read models  hold 42.3% of what is stored\n' +
      'timers       3 pending, the next is due 2026-03-09 14:00:00, 2 firing, 1 failing, the oldest is 1m 15s late,\n' +
      '             lately up to 1m 20s late\n' +
      'timer error  supervisor w1 is not there\n' +
      '\n' +
      'READER       KIND          READ     LAG  PARKED  CHECKPOINT        ERROR\n' +
      'plot_tasks   projection   42.3%  3m 12s      24  0000000000000042  owl.db is full; make room on its disk\n' +
      'supervisors  projection  100.0%    none       0  0000000000000042  -\n' +
      '\n' +
      'plot_tasks parked 24 events; mend the cause, then `owl node redrive plot_tasks`\n' +
      '\n' +
      'stream     plot_task-task_3f2a91b4-7a44-4a0e-9a51-0f6f3a1c7d52\n' +
      'event      revision 5, PlotTaskRunning\n' +
      'error      plot_tasks shows it at revision 3; revision 5 would leave a hole\n' +
      'tried      3 times\n' +
      'parked     2026-03-09 14:00:00\n' +
      'behind it  2 events of this stream\n' +
      '\n' +
      'stream  plot_task-t2\n' +
      'event   revision 0, PlotTaskReceived\n' +
      'error   a\u{FFFD}[31m\n' +
      'tried   once\n' +
      '\n' +
      '… and 20 more\n',
  );
});

t.test(
  'no line is wider than the terminal, and what an operator needs is on the narrowest one',
  async (t) => {
    for (const width of [40, 60, 80, 120, 200]) {
      const card = nodeCard(ILL, { width });
      for (const line of card.split('\n')) t.ok(textWidth(line) <= width, `${width}: ${line}`);
      t.match(card, /^READER .* READ +LAG +PARKED/m);
      t.match(card, /^plot_tasks .* 42\.3% +3m 12s +24/m);
    }
  },
);

t.test('a node that is being built, on a store that others fill as well, in 80 columns', async (t) => {
  const node: NodeStatus = {
    worker_id: 'node-7',
    readers: [
      {
        name: 'plot_tasks',
        kind: 'projection',
        behind_seconds: 75,
        share: 0.99999,
        checkpoint: '0000000005f5e1000000000005f5e100',
      },
      {
        name: 'supervisors',
        kind: 'projection',
        behind_seconds: 75,
        share: 0.0712,
        rebuild: { share: 0.0712, last_error: 'read-models.db is full; make room on its disk' },
      },
      { name: 'lost_supervisors', kind: 'reactor', behind_seconds: 75 },
    ],
    timers: {},
    share: 0.0712,
  };
  t.equal(
    nodeCard(node, { width: 80 }),
    'worker       node-7\n' +
      'live actors  0\n' +
      'read models  hold 7.1% of what is stored\n' +
      'timers       0 pending\n' +
      '\n' +
      'READER            KIND         READ     LAG  REBUILD  PARKED  ERROR\n' +
      'plot_tasks        projection  99.9%  1m 15s        -       0  -\n' +
      'supervisors       projection   7.1%  1m 15s     7.1%       0  read-models.db is\n' +
      '                                                              full; make room on\n' +
      '                                                              its disk\n' +
      'lost_supervisors  reactor         -  1m 15s        -       0  -\n',
  );
});

t.test('what each loop does and why it waits is told in a sentence, with its times', async (t) => {
  const loops = [
    { name: 'tells-holders', state: 'running', doing: 'in a round', since_time: PARKED, rounds: 3 },
    { name: 'splits', state: 'resting', doing: 'nothing to do: no room', next_time: PARKED, rounds: 12 },
    { name: 'feeds', state: 'failing', doing: 'failed 3 times: no printer', next_time: PARKED },
    { name: 'keeps', state: 'elsewhere', doing: 'node b runs it' },
  ];
  const table = nodeCard({ ...WELL, loops }, { width: 80 })
    .split('\n\n')
    .at(-1);
  t.equal(
    table,
    'LOOP           ROUNDS  DOES\n' +
      'tells-holders       3  in a round since 2026-03-09 14:00:00\n' +
      'splits             12  nothing to do: no room, until 2026-03-09 14:00:00\n' +
      'feeds               0  failed 3 times: no printer; next try 2026-03-09 14:00:00\n' +
      'keeps               0  node b runs it\n',
  );
});

t.test('how much is held is told only where it says something', async (t) => {
  const held = (status: NodeStatus) => /^read models.*$/m.exec(nodeCard(status, { width: 80 }))?.[0];
  t.match(held({ caught_up: true, share: 1 }), /hold all that is stored$/);
  t.match(held({ share: 0 }), /hold 0\.0% of what is stored$/);
  t.match(held({ share: 0.29 }), /hold 29\.0% of what is stored$/);
  t.match(held({ share: 1 }), /are behind what is stored$/, 'it knows of no more, but there is more');
  t.match(held({}), /are behind what is stored$/, 'nor does it know how much there is');
});
