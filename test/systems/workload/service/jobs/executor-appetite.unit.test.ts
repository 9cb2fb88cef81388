import t from 'tap';
import type { RecordedEvent } from '../../../../../src/runtime/event-store/event-store.js';
import { ExecutorAppetite } from '../../../../../src/systems/workload/service/jobs/executor-appetite.js';

const event = (type: string, category = 'wl_job'): RecordedEvent => ({
  ...{ position: '1', stream: `${category}-x`, revision: 0, id: 'e', type, version: 1 },
  data: { device_type: 'cpu' },
  metadata: { time: 0, $correlationId: 'c', $causationId: 'c' },
});
const some = (type: string, count: number) => Array.from({ length: count }, () => event(type));
const FULL = { isHungry: false, spare: 10 };
const HUNGRY = { isHungry: true, spare: Number.POSITIVE_INFINITY };

t.test('before the first look everything that may matter is news', async (t) => {
  const appetite = new ExecutorAppetite();
  t.ok(appetite.isNews([event('JobCreated')]));
  t.notOk(
    appetite.isNews([
      event('JobQueued'),
      event('PilotReported', 'wl_pilot'),
      event('FileAvailable', 'wl_file'),
    ]),
  );
});

t.test('a full queue is looked at once it may be short, and not for what is created behind it', async (t) => {
  const appetite = new ExecutorAppetite();
  appetite.looked('cpu', FULL);
  t.ok(appetite.isAnyFull);
  t.notOk(appetite.isNews(some('JobCreated', 500)));
  t.notOk(appetite.isNews(some('JobClaimed', 10)));
  t.ok(appetite.isNews(some('JobClaimed', 1)));
  appetite.looked('cpu', FULL);
  t.notOk(appetite.isNews(some('JobFinished', 5)), 'the slot it leaves has the queue hold two more');
  t.ok(appetite.isNews([event('JobFinished')]));
});

t.test('where there was room for more, what is created is news and what is taken is none', async (t) => {
  const appetite = new ExecutorAppetite();
  appetite.looked('cpu', HUNGRY);
  t.notOk(appetite.isAnyFull);
  t.notOk(appetite.isNews(some('JobClaimed', 100)));
  t.ok(appetite.isNews([event('JobCreated')]));
  appetite.looked('gpu', FULL);
  t.ok(appetite.isNews([event('JobCreated')]));
  appetite.looked('cpu', FULL);
  appetite.looked('gpu', HUNGRY);
  t.notOk(
    appetite.isNews([event('JobCreated')]),
    'for a device that nobody has, nobody looks at the other one',
  );
});

t.test('what is rare is always news', async (t) => {
  const appetite = new ExecutorAppetite();
  appetite.looked('cpu', FULL);
  for (const type of ['JobAttemptFailed', 'JobRetried', 'JobWithdrawn', 'JobRanked'])
    t.ok(appetite.isNews([event(type)]), type);
  t.ok(appetite.isNews([event('TaskReleased', 'wl_task')]));
  t.ok(appetite.isNews([event('PilotAttached', 'wl_pilot')]));
});
