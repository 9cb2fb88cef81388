/**
 * Compares the schemas of an operation with the messages of its method in the proto file, which is written by hand: fields and
 * their names, types, presence and limits.
 */

import type { AnyDefinition, MessageTypeDefinition, PackageDefinition } from '@grpc/proto-loader';
import { z } from 'zod';
import { isExplicit } from '../../../src/node/operations/fields.js';
import type { Operation } from '../../../src/node/operations/operation.js';
import { unwrapped } from '../../../src/node/operations/read-request.js';

interface Field {
  readonly name: string;
  readonly type: string;
  readonly typeName: string;
  readonly label: string;
}

interface Message {
  readonly name: string;
  readonly fields: readonly Field[];
  /** Of those that are `optional`. */
  readonly explicit: ReadonlySet<string>;
}

/** What is not the same, in words; empty when nothing is. */
export function differences(operation: Operation, proto: PackageDefinition): string[] {
  const { service, name, request, answer, isStream = false } = operation;
  const methods = proto[service];
  const method = methods === undefined || 'format' in methods ? undefined : methods[name];
  if (method === undefined) return [`${service} has no method ${name}`];
  const found: string[] = [];
  if (method.requestStream) found.push(`${name} takes a stream`);
  if (method.responseStream !== isStream) found.push(`${name}: one answer, or a stream of them?`);
  const [asked, told] = [messageIn(method.requestType), messageIn(method.responseType)];
  if (!nameOf(answer)?.endsWith(`.${told.name}`))
    found.push(`${name} answers ${told.name}, not ${nameOf(answer)}`);
  for (const field of [operation.commandId, operation.creates])
    if (field !== undefined && !(field in request.shape)) found.push(`${asked.name} has no ${field}`);
  const compare = new Comparison(proto, service.slice(0, service.indexOf('.')));
  compare.message(asked, request);
  compare.message(told, answer);
  return [...found, ...compare.found];
}

class Comparison {
  readonly found: string[] = [];
  private readonly compared = new Set<z.ZodObject>();
  private readonly proto: PackageDefinition;
  private readonly pack: string;

  constructor(proto: PackageDefinition, pack: string) {
    this.proto = proto;
    this.pack = pack;
  }

  message(message: Message, schema: z.ZodObject): void {
    if (this.compared.has(schema)) return;
    this.compared.add(schema);
    const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
    for (const name of Object.keys(shape))
      if (!message.fields.some((field) => field.name === name))
        this.found.push(`${message.name} has no ${name}`);
    for (const field of message.fields) {
      const own = shape[field.name];
      if (own instanceof z.ZodType) this.field(message, field, own);
      else this.found.push(`${message.name}.${field.name} is not in the schema`);
    }
  }

  private field(message: Message, field: Field, schema: z.ZodType): void {
    const what = `${message.name}.${field.name}`;
    if (message.explicit.has(field.name) !== isExplicit(schema)) this.found.push(`${what}: explicit or not?`);
    const inner = unwrapped(schema);
    const isList = inner instanceof z.ZodArray;
    if (isList !== (field.label === 'LABEL_REPEATED')) this.found.push(`${what}: a list, or not?`);
    const { element } = isList ? inner : { element: inner };
    if (element instanceof z.ZodType) this.value(what, field, unwrapped(element));
  }

  private value(what: string, { type, typeName }: Field, schema: z.ZodType): void {
    if (type === 'TYPE_MESSAGE') {
      const definition = this.proto[`${this.pack}.${typeName}`] ?? this.proto[typeName];
      if (!(schema instanceof z.ZodObject) || definition === undefined || !isMessage(definition)) {
        this.found.push(`${what} is a ${typeName}`);
        return;
      }
      const name = nameOf(schema);
      if (name !== undefined && !`.${name}`.endsWith(`.${typeName}`))
        this.found.push(`${what} is a ${typeName}, not ${name}`);
      this.message(messageIn(definition), schema);
    } else if (!fits(type, schema)) this.found.push(`${what} is ${type}, the schema says ${rangeOf(schema)}`);
  }
}

const INT32 = [-(2 ** 31), 2 ** 31 - 1] as const;
const EXACT = [Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER] as const;
const RANGES: Readonly<Record<string, readonly [number, number]>> = {
  TYPE_INT32: INT32,
  TYPE_UINT32: [0, 2 ** 32 - 1],
  TYPE_INT64: EXACT,
  TYPE_UINT64: [0, Number.MAX_SAFE_INTEGER],
};

function fits(type: string, schema: z.ZodType): boolean {
  const range = RANGES[type];
  if (range !== undefined) {
    if (!(schema instanceof z.ZodNumber) || !schema.format?.includes('int')) return false;
    return Number(schema.minValue) >= range[0] && Number(schema.maxValue) <= range[1];
  }
  if (type === 'TYPE_STRING') return schema instanceof z.ZodString || schema instanceof z.ZodEnum;
  if (type === 'TYPE_BYTES') return schema instanceof z.ZodPipe;
  if (type === 'TYPE_BOOL') return schema instanceof z.ZodBoolean;
  if (type === 'TYPE_FLOAT' || type === 'TYPE_DOUBLE')
    return schema instanceof z.ZodNumber && schema.format === null;
  return type === 'TYPE_ENUM' && schema instanceof z.ZodEnum;
}

function rangeOf(schema: z.ZodType): string {
  return schema instanceof z.ZodNumber
    ? `${schema.format ?? 'number'} from ${schema.minValue} to ${schema.maxValue}`
    : schema.type;
}

function isMessage(definition: AnyDefinition): definition is MessageTypeDefinition<object, object> {
  return 'format' in definition && 'serialize' in definition;
}

function nameOf(schema: z.ZodType): string | undefined {
  return schema.meta()?.id;
}

const Descriptor = z.object({
  name: z.string(),
  field: z.array(z.object({ name: z.string(), type: z.string(), typeName: z.string(), label: z.string() })),
  oneofDecl: z.array(z.object({ name: z.string() })),
});

/** `optional` makes a oneof of its own, called as the field with a dash before. */
function messageIn({ type }: Pick<MessageTypeDefinition<object, object>, 'type'>): Message {
  const { name, field, oneofDecl } = Descriptor.parse(type);
  return { name, fields: field, explicit: new Set(oneofDecl.map((one) => one.name.slice(1))) };
}
