/**
 * What many events have in common: their type, its version and which fields they have. Kept once in a file, as the text
 * `["type",version,"field",…]`, and named by its number in the rows.
 *
 * Guarantees: a shape's fields are in the order in which the event had them. What fits no shape has one without fields. There
 * are never more shapes with fields than MOST_SHAPES, whatever is stored, so that the file's dictionary stays in memory.
 */

import type { SqliteDatabase } from '../../../base/sqlite.js';
import { scalarJson } from '../canonical.js';
import type { JsonObject, ProposedEvent } from '../event-store.js';
import { Dictionary } from './dictionary.js';

export const MOST_SHAPES = 4_096;
/** More fields are an event of its own making, which another one hardly repeats. */
const MOST_FIELDS = 32;
const LONGEST_SHAPE = 1_024;

export class Shape {
  readonly type: string;
  readonly version: number;
  readonly fields: readonly string[];
  /** Indexes of `fields` in the order of the canonical form, each with its name as JSON and a colon. */
  private readonly sorted: readonly (readonly [index: number, prefix: string])[];

  constructor(type: string, version: number, fields: readonly string[]) {
    this.type = type;
    this.version = version;
    this.fields = fields;
    this.sorted = fields
      .map((name, index): [number, string, string] => [index, `${JSON.stringify(name)}:`, name])
      .sort(([, , a], [, , b]) => (a < b ? -1 : 1))
      .map(([index, prefix]) => [index, prefix]);
  }

  /** @param values JSON of each field's value */
  canonicalData(values: readonly string[]): string {
    let text = '{';
    for (const [index, prefix] of this.sorted) text += `${text === '{' ? '' : ','}${prefix}${values[index]}`;
    return `${text}}`;
  }

  dataOf(values: JsonObject[string][]): JsonObject {
    const data: JsonObject = {};
    for (let i = 0; i < values.length; i++) {
      const [name, value] = [this.fields[i], values[i]];
      if (name !== undefined && value !== undefined) data[name] = value;
    }
    return data;
  }
}

/** An event's data as its row holds it. */
export interface ShapedData {
  readonly no: number;
  /** Undefined where the shape has no fields and the data is the whole object. */
  readonly shape: Shape | undefined;
  /** JSON of each value. */
  readonly values: readonly string[];
}

export class Shapes {
  private readonly dictionary: Dictionary;
  private readonly shapes = new Map<number, Shape>();
  private readonly numbers = new Map<string, number>();

  constructor(db: SqliteDatabase) {
    this.dictionary = new Dictionary(db, 'event_shapes');
  }

  /** Inside a transaction, since a shape may be new. */
  shape({ type, version, data }: ProposedEvent): ShapedData {
    const fields: string[] = [];
    const values: string[] = [];
    for (const name of Object.keys(data)) {
      const value = data[name];
      if (value === undefined) continue;
      if (
        (typeof value === 'object' && value !== null) ||
        name === '__proto__' ||
        fields.length === MOST_FIELDS
      )
        return this.plain(type, version);
      fields.push(name);
      values.push(scalarJson(value));
    }
    const no = this.numberFor(type, version, fields);
    const shape = no === undefined ? undefined : this.get(no);
    return no === undefined || shape === undefined ? this.plain(type, version) : { no, shape, values };
  }

  /** Undefined for a number that names no shape. */
  get(no: number): Shape | undefined {
    const known = this.shapes.get(no);
    if (known !== undefined) return known;
    const shape = parse(this.dictionary.textOf(no));
    if (shape !== undefined) this.shapes.set(no, shape);
    return shape;
  }

  committed(): void {
    this.dictionary.committed();
  }

  rolledBack(): void {
    if (!this.dictionary.rolledBack()) return;
    this.shapes.clear();
    this.numbers.clear();
  }

  private plain(type: string, version: number): ShapedData {
    return { no: this.dictionary.add(JSON.stringify([type, version])), shape: undefined, values: [] };
  }

  private numberFor(type: string, version: number, fields: readonly string[]): number | undefined {
    // Quicker to make than the text; no name holds what separates them, or the text is made.
    const key = `${version}\u0000${type}\u0000${fields.join('\u0000')}`;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    const text = JSON.stringify([type, version, ...fields]);
    const isNew = this.dictionary.numberOf(text) === undefined;
    if (fields.length > 0 && isNew && (this.dictionary.size >= MOST_SHAPES || text.length > LONGEST_SHAPE))
      return undefined;
    const no = this.dictionary.add(text);
    if (!text.includes('\\u0000')) this.numbers.set(key, no);
    return no;
  }
}

function parse(text: string | undefined): Shape | undefined {
  if (text === undefined) return undefined;
  try {
    const parts: unknown = JSON.parse(text);
    if (!Array.isArray(parts)) return undefined;
    const [type, version, ...fields]: unknown[] = parts;
    if (typeof type !== 'string' || typeof version !== 'number' || !fields.every(isText)) return undefined;
    return new Shape(type, version, fields);
  } catch {
    return undefined;
  }
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
