/**
 * Messages of any type, made from their descriptors: random values, extreme ones, and such as a peer would send, so that a message
 * gets past the first rule often enough. Guarantee: the same dice make the same messages.
 */

import type { PackageDefinition } from '@grpc/proto-loader';
import { z } from 'zod';
import type { Dice } from '../dice.js';
import { bytesField, doubleField, floatField, integerField, noise, spoil } from './bytes.js';

const Field = z.object({
  name: z.string(),
  number: z.number(),
  label: z.string(),
  type: z.string(),
  typeName: z.string(),
});
const Message = z.object({ field: z.array(Field), name: z.string() });
type Field = z.infer<typeof Field>;
type Message = z.infer<typeof Message>;

const DEEPEST = 5;
/** A message that holds messages of its own kind would have no end. */
const MOST_FIELDS = 60;
const HUGE_TEXT = 'x'.repeat(70_000);
const HUGE = 0.0001;
const EXTREME_NUMBERS = [
  ...[Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, -0, -1, 1e-320, 1.7e308, -1.7e308],
  ...[2 ** 31, 2 ** 53, 2 ** 53 + 2, 1.5, 99.99, 100.01, 1_700_000_000],
];
const EXTREME_INTEGERS = [
  ...[-1n, 1n, 2n ** 31n - 1n, 2n ** 31n, -(2n ** 31n), 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 53n + 1n],
  ...[2n ** 63n - 1n, -(2n ** 63n), 2n ** 64n - 1n],
];
const EXTREME_TEXTS = [
  ...[
    '',
    ' ',
    '\0',
    '\u2028',
    '../../etc/passwd',
    "'; DROP TABLE plot_tasks; --",
    '%s%n',
    '$cut-off',
    'a-b-c',
    '__proto__',
  ],
  ...[
    'constructor',
    '{"a":1}',
    '\ud7ff',
    '绘图',
    '🦉'.repeat(40),
    'NaN',
    '-1',
    '/'.repeat(5_000),
    'x'.repeat(70_000),
  ],
];

/** What a peer would say in a field of this name. */
const LIKELY: Readonly<Record<string, readonly string[]>> = {
  task_id: Array.from({ length: 24 }, (_, index) => `task-${index}`),
  task_ids: ['task-1', 'task-2', 'nobody'],
  worker_id: ['w-1', 'w-2', 'w-3'],
  session_id: ['s-1', 's-2'],
  status: ['received', 'pending', 'started', 'running', 'stopping', 'stopped', 'finished', 'failed'],
  statuses: ['received', 'running', 'finished'],
  command_id: Array.from({ length: 12 }, (_, index) => `command-${index}`),
  ...{
    cache1: ['/c/1', '/c/2'],
    cache2: ['/c/1', '/c/2'],
    path: ['/d/1'],
    cache: ['/c/1'],
    dest_dir: ['/d/1'],
  },
  ...{ type: ['local', 'nfs'], page_token: ['after-1', 'before-9'], reader: ['plot_tasks', 'supervisors'] },
  ...{ projection: ['plot_tasks'], stream: ['plot_task-task-1'], service: ['', 'talent.PlotManager'] },
  report_key: ['key'],
};
const LIKELY_NUMBERS: Readonly<Record<string, readonly number[]>> = {
  ...{
    ksize: [25, 32],
    threads: [2, 4],
    buffer: [512, 4096],
    lease_seconds: [1, 2, 30],
    page_size: [1, 10, 1000],
  },
  ...{
    for_attempt: [1, 2, 3],
    attempt: [1],
    progress: [0.5, 50, 100],
    log_offset: [1, 1000, 5000],
    from_revision: [0, 1],
  },
};

export class Messages {
  private readonly definitions: readonly PackageDefinition[];
  private readonly dice: Dice;
  private readonly types = new Map<object, Message>();
  private left = 0;

  constructor(definitions: readonly PackageDefinition[], dice: Dice) {
    this.definitions = definitions;
    this.dice = dice;
  }

  /** @param type its descriptor @param full name of the message, for the names within @returns bytes that may be no message */
  bytesOf(type: object, full: string): Buffer {
    this.left = MOST_FIELDS;
    const message = this.message(this.parsed(type), full, 0);
    return this.dice.chance(0.15) ? spoil(this.dice, message) : message;
  }

  /** Of each descriptor once. */
  private parsed(type: object): Message {
    const known = this.types.get(type) ?? Message.parse(type);
    this.types.set(type, known);
    return known;
  }

  private message(type: Message, full: string, depth: number): Buffer {
    const { dice } = this;
    const likely = dice.chance(0.75);
    const share = dice.pick([0.05, 0.1, 0.3, 0.9]);
    const parts = type.field.flatMap((field) => {
      const wanted = likely && Object.hasOwn(LIKELY, field.name) ? 0.9 : share;
      if (!dice.chance(wanted)) return [];
      const times = field.label === 'LABEL_REPEATED' ? dice.pick([1, 1, 2, 5, 40]) : 1;
      return Array.from({ length: Math.min(times, this.left) }, () => this.field(field, full, depth, likely));
    });
    return Buffer.concat(dice.chance(0.1) ? dice.shuffled(parts) : parts);
  }

  private field(field: Field, full: string, depth: number, likely: boolean): Buffer {
    const { dice } = this;
    const { number, type, name } = field;
    this.left -= 1;
    const known = LIKELY_NUMBERS[name];
    const expected = likely && known !== undefined ? dice.pick(known) : undefined;
    switch (type) {
      case 'TYPE_STRING':
        return bytesField(number, this.text(name, likely));
      case 'TYPE_BYTES':
        return bytesField(number, noise(dice, dice.whole(0, 100)));
      case 'TYPE_DOUBLE':
        return doubleField(number, this.number(expected, likely));
      case 'TYPE_FLOAT':
        return floatField(number, this.number(expected, likely));
      case 'TYPE_MESSAGE':
        return bytesField(number, this.inner(field, full, depth));
      default:
        return integerField(
          number,
          expected === undefined ? this.integer(likely) : BigInt(Math.floor(expected)),
        );
    }
  }

  private inner({ typeName }: Field, full: string, depth: number): Buffer {
    if (depth >= DEEPEST) return Buffer.alloc(0);
    const found = this.resolve(typeName, full);
    return found === undefined ? noise(this.dice, 8) : this.message(found.type, found.name, depth + 1);
  }

  /** A name is looked for in the message, then outwards. */
  private resolve(
    typeName: string,
    full: string,
  ): { readonly type: Message; readonly name: string } | undefined {
    const scopes = full.split('.');
    for (let length = scopes.length; length >= 0; length--) {
      const name = [...scopes.slice(0, length), typeName.replace(/^\./, '')].join('.');
      for (const definition of this.definitions) {
        const there = definition[name];
        if (there !== undefined && 'type' in there) return { type: this.parsed(there.type), name };
      }
    }
    return undefined;
  }

  private text(name: string, likely: boolean): Buffer {
    const { dice } = this;
    const known = LIKELY[name];
    if (known !== undefined && dice.chance(likely ? 0.95 : 0.3)) return Buffer.from(dice.pick(known));
    if (likely && dice.chance(0.8))
      return Buffer.from(dice.pick(['', 'ok', 'computing', 'a.plot', '/c/1', dice.name()]));
    if (dice.chance(HUGE)) return Buffer.from(HUGE_TEXT);
    // Not every sequence of bytes is a text.
    return dice.chance(0.1) ? noise(dice, dice.whole(1, 40)) : Buffer.from(dice.pick(EXTREME_TEXTS));
  }

  private number(expected: number | undefined, likely: boolean): number {
    const { dice } = this;
    if (expected !== undefined) return expected;
    return likely && dice.chance(0.8) ? dice.whole(0, 10_000) / 100 : dice.pick(EXTREME_NUMBERS);
  }

  private integer(likely: boolean): bigint {
    const { dice } = this;
    return likely && dice.chance(0.8) ? BigInt(dice.whole(0, 7)) : dice.pick(EXTREME_INTEGERS);
  }
}
