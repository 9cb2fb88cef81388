/** Messages that are read and written as bytes, compared with what the generated classes make of them. */

import { randomUUID } from 'node:crypto';
import t from 'tap';
import type { ExpectedRevision } from '../../../../src/runtime/event-store/event-store.js';
import {
  batchAnswerOf,
  batchRequests,
} from '../../../../src/runtime/event-store/eventstoredb/appends/batch-messages.js';
import { CallError } from '../../../../src/runtime/event-store/eventstoredb/connection/call-error.js';
import { shared, streams } from '../../../../src/runtime/event-store/eventstoredb/connection/protocol.js';
import { readMessageOf } from '../../../../src/runtime/event-store/eventstoredb/connection/record-message.js';
import { formatPosition } from '../../../../src/runtime/event-store/eventstoredb/reads/positions.js';
import { eventMessage } from '../../../support/eventstoredb-node/record-messages.js';
import { randomFrom } from '../../../support/random.js';

const random = randomFrom(5);
/** Lengths around those at which their own encoding grows. */
const LENGTHS = [0, 1, 2, 60, 126, 127, 128, 129, 16_383, 16_384, 70_000];
const bytes = (length: number) => Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)));
const eventOf = (length: number) => {
  const [data, metadata] = [bytes(length), bytes(length + 1)];
  return { id: randomUUID(), type: `Тип${'x'.repeat(length % 200)}`, data, metadata, size: 2 * length };
};

t.test('an append, of any size and expectation', async (t) => {
  const expectations: ExpectedRevision[] = [
    'any',
    'noStream',
    'streamExists',
    0,
    1,
    127,
    128,
    2 ** 31,
    2 ** 40,
  ];
  for (const [i, length] of LENGTHS.entries()) {
    const expected = expectations[i % expectations.length] ?? 'any';
    const stream = `c-ключ 🦉${'y'.repeat(length % 300)}`;
    const events = [eventOf(length), eventOf(1)];
    const id = randomUUID();
    const [request, ...others] = batchRequests(id, { stream, expected, events });
    t.strictSame(others, []);
    const read = streams.BatchAppendReq.deserializeBinary(request ?? new Uint8Array());
    const options = read.getOptions();
    t.equal(read.getCorrelationId()?.getString(), id);
    t.equal(read.getIsFinal(), true);
    t.equal(Buffer.from(options?.getStreamIdentifier()?.getStreamName_asU8() ?? []).toString('utf8'), stream);
    t.equal(options?.hasAny(), expected === 'any');
    t.equal(options?.hasNoStream(), expected === 'noStream');
    t.equal(options?.hasStreamExists(), expected === 'streamExists');
    t.equal(options?.hasStreamPosition(), typeof expected === 'number');
    if (typeof expected === 'number') t.equal(options?.getStreamPosition(), String(expected));
    t.strictSame(
      read.getProposedMessagesList().map((message) => ({
        id: message.getId()?.getString(),
        type: message.getMetadataMap().get('type'),
        json: message.getMetadataMap().get('content-type'),
        data: Buffer.from(message.getData_asU8()),
        metadata: Buffer.from(message.getCustomMetadata_asU8()),
      })),
      events.map(({ id, type, data, metadata }) => ({ id, type, json: 'application/json', data, metadata })),
    );
    // The classes leave out an empty field.
    if (length > 0) t.equal(request?.length, read.serializeBinary().length, 'and no byte is left over');
  }
});

t.test(
  'an append of several messages: what it is stands in the first, and the last says that it is',
  async (t) => {
    const events = Array.from({ length: 5 }, () => ({ ...eventOf(10), size: 700_000 }));
    const requests = batchRequests(randomUUID(), { stream: 'c-1', expected: 3, events });
    const read = requests.map((request) => streams.BatchAppendReq.deserializeBinary(request));
    t.strictSame(
      read.map((one) => [one.hasOptions(), one.getIsFinal(), one.getProposedMessagesList().length]),
      [
        [true, false, 1],
        [false, false, 1],
        [false, false, 1],
        [false, false, 1],
        [false, true, 1],
      ],
    );
  },
);

t.test('an answer, with an id in either form and positions that no number holds', async (t) => {
  const id = 'f23456c9-8f00-4abc-bdef-0123456789ab';
  const structured = new shared.UUID.Structured()
    .setMostSignificantBits(String(BigInt.asIntN(64, 0xf23456c98f004abcn)))
    .setLeastSignificantBits(String(BigInt.asIntN(64, 0xbdef0123456789abn)));
  for (const uuid of [new shared.UUID().setString(id), new shared.UUID().setStructured(structured)]) {
    for (const revision of ['0', '127', '128', String(2 ** 40)]) {
      const position = new shared.AllStreamPosition()
        .setCommitPosition('9223372036854775807')
        .setPreparePosition('9007199254740993');
      const success = new streams.BatchAppendResp.Success()
        .setCurrentRevision(revision)
        .setPosition(position);
      const answer = new streams.BatchAppendResp().setCorrelationId(uuid).setSuccess(success);
      t.strictSame(batchAnswerOf(Buffer.from(answer.serializeBinary())), {
        id,
        answer: {
          stored: true,
          revision: Number(revision),
          position: formatPosition('9223372036854775807', '9007199254740993'),
        },
      });
    }
  }
  const empty = new streams.BatchAppendResp().setCorrelationId(new shared.UUID().setString(id));
  const { answer } = batchAnswerOf(Buffer.from(empty.serializeBinary()));
  t.match(answer, { kind: 'unexpected', outcome: 'unknown' }, 'one that says nothing leaves it open');
  t.ok(answer instanceof CallError);
});

const recordOf = (length: number) => ({
  ...{ id: randomUUID(), type: `Тип${'x'.repeat(length % 200)}`, stream: `c-🦉${'y'.repeat(length % 300)}` },
  ...{ data: bytes(length), metadata: bytes(length), json: true, created: 1_700_000_000_123 },
  ...{ revision: BigInt(length) * 2n ** 20n, position: 2n ** 53n + 1n + BigInt(length) },
});

t.test('a record, from the log and from a stream', async (t) => {
  for (const length of LENGTHS) {
    for (const from of ['all', 'stream'] as const) {
      for (const uuids of ['string', 'structured'] as const) {
        const record = recordOf(length);
        const message = readMessageOf(Buffer.from(eventMessage(record, from, uuids).serializeBinary()));
        const { id, type, stream, data, metadata } = record;
        const position = formatPosition(String(record.position), String(record.position));
        t.strictSame(message, {
          kind: 'record',
          record: {
            ...{ id, type, stream, position, revision: Number(record.revision) },
            ...{ created: '17000000001230000', data, metadata },
          },
        });
      }
    }
  }
});

t.test('everything else that a read is answered', async (t) => {
  const { ReadResp } = streams;
  const kindOf = (message: streams.ReadResp) => readMessageOf(Buffer.from(message.serializeBinary())).kind;
  t.equal(kindOf(new ReadResp().setCaughtUp(new ReadResp.CaughtUp())), 'caughtUp');
  t.equal(kindOf(new ReadResp().setFellBehind(new ReadResp.FellBehind())), 'fellBehind');
  t.equal(kindOf(new ReadResp().setStreamNotFound(new ReadResp.StreamNotFound())), 'notFound');
  t.equal(kindOf(new ReadResp().setConfirmation(new ReadResp.SubscriptionConfirmation())), 'other');
  t.equal(kindOf(new ReadResp().setLastStreamPosition('7')), 'other');
  t.equal(kindOf(new ReadResp()), 'other');
  for (const [commit, prepare] of [
    ['0', '0'],
    ['127', '0'],
    ['9223372036854775807', '128'],
  ] as const) {
    const checkpoint = new ReadResp.Checkpoint().setCommitPosition(commit).setPreparePosition(prepare);
    t.strictSame(readMessageOf(Buffer.from(new ReadResp().setCheckpoint(checkpoint).serializeBinary())), {
      kind: 'checkpoint',
      position: formatPosition(commit, prepare),
    });
  }
  const none = new ReadResp.Checkpoint().setCommitPosition('18446744073709551615');
  const read = readMessageOf(Buffer.from(new ReadResp().setCheckpoint(none).serializeBinary()));
  t.strictSame(read, { kind: 'checkpoint', position: undefined }, 'where there is no position');
});

t.test(
  'bytes that are cut off or turned over are another message or an error, and nothing worse',
  async (t) => {
    const whole = Buffer.from(eventMessage(recordOf(60), 'all', 'string').serializeBinary());
    let errors = 0;
    const read = (message: Buffer) => {
      try {
        readMessageOf(message);
        batchAnswerOf(message);
      } catch (error) {
        errors += 1;
        if (!(error instanceof RangeError)) t.fail(`${error}`);
      }
    };
    for (let length = 0; length < whole.length; length++) read(whole.subarray(0, length));
    t.ok(errors > whole.length / 2, 'one that is cut off is noticed');
    for (let n = 0; n < 5_000; n++) {
      const flipped = Buffer.from(whole);
      const at = Math.floor(random() * flipped.length);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random() * 8));
      read(flipped);
    }
    for (let n = 0; n < 5_000; n++) read(bytes(Math.floor(random() * 40)));
  },
);
