import t from 'tap';
import { OwlError } from '../../../../../src/base/errors.js';
import { isBrokerUrl } from '../../../../../src/systems/workload/wire/amqp/broker-address.js';
import {
  decode,
  encode,
  LARGEST_BODY_BYTES,
  PILOT_TYPES,
  PoisonMessageError,
} from '../../../../../src/systems/workload/wire/amqp/envelope.js';
import { pilotQueue } from '../../../../../src/systems/workload/wire/amqp/topology.js';

const GOOD = { type: 'pilot.bye', messageId: 'm1', correlationId: 'c1', body: { pilot: 'p1' } } as const;

function message(change: { content?: Buffer; properties?: Record<string, unknown> } = {}) {
  const { content, options } = encode(GOOD, 1_700_000_000_500);
  const { type, messageId, correlationId, timestamp, headers } = options;
  const none = {
    ...{ contentType: undefined, contentEncoding: undefined, deliveryMode: 2, priority: undefined },
    ...{
      replyTo: undefined,
      expiration: undefined,
      userId: undefined,
      appId: undefined,
      clusterId: undefined,
    },
  };
  return {
    content: change.content ?? content,
    properties: { ...none, type, messageId, correlationId, timestamp, headers, ...change.properties },
  };
}

t.test('what is sent is what arrives', async (t) => {
  t.strictSame(decode(message(), PILOT_TYPES), GOOD);
  t.match(message().properties, { timestamp: 1_700_000_000, headers: { 'owl-v': 1 } });
  t.match(encode(GOOD, 0).options, { persistent: true, mandatory: true });
});

t.test('what can not be read is one kind of error that says what is wrong', async (t) => {
  const faults: [ReturnType<typeof message>, RegExp][] = [
    [message({ content: Buffer.alloc(0) }), /body is empty/],
    [message({ content: Buffer.from('{"pilot":') }), /body is not JSON/],
    [message({ content: Buffer.from('[1]') }), /no JSON object/],
    [message({ content: Buffer.from('null') }), /no JSON object/],
    [message({ content: Buffer.alloc(1024 * 1024, ' ') }), /1048576 bytes, which is more than 262144/],
    [message({ properties: { headers: undefined } }), /owl-v is missing/],
    [message({ properties: { headers: { 'owl-v': 2 } } }), /owl-v is 2, and 1 is understood/],
    [
      message({ properties: { type: 'pilot.dance' } }),
      /type is "pilot.dance", which is none of pilot.register/,
    ],
    [message({ properties: { type: undefined } }), /type is missing/],
    [message({ properties: { messageId: undefined } }), /message_id/],
    [message({ properties: { messageId: 'm'.repeat(256) } }), /message_id/],
  ];
  for (const [poison, reason] of faults)
    t.throws(() => decode(poison, PILOT_TYPES), { name: 'PoisonMessageError', message: reason }, `${reason}`);
  t.match(new PoisonMessageError('x'), { kind: 'invalid', reason: 'poison_message' });
});

t.test('what is too large is not sent', async (t) => {
  const body = { text: 'x'.repeat(LARGEST_BODY_BYTES) };
  t.throws(() => encode({ ...GOOD, body }, 0), { kind: 'invalid', message: /is more than 262144/ });
});

t.test('the address of a broker holds no password', async (t) => {
  const good = ['amqp://host', 'amqp://owl@host:5672/farm', 'amqps://owl@[::1]/%2F', 'amqp://127.0.0.1:1/'];
  for (const url of good) t.ok(isBrokerUrl(url), url);
  const bad = [
    '',
    'host',
    'http://host',
    'amqp://',
    'amqp://owl:secret@host',
    'amqp://host/a/b',
    'amqp://host?x=1',
  ];
  for (const url of bad) t.notOk(isBrokerUrl(url), url);
});

t.test('no pilot reads the queue of all of them', async (t) => {
  t.equal(pilotQueue('p1'), 'owl.pilot.p1');
  t.throws(() => pilotQueue('events'), OwlError);
});
