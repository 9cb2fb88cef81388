/**
 * The check of one event type's data, compiled from its fields. It runs for every event that is appended, so it looks at
 * the fields an event has, not at all that it may have (a progress event has 2 of 130).
 */

import type { EventSchema, FieldKind } from './event-schema.js';
import type { JsonObject } from './event-store.js';

/** Says what is wrong, as the end of a sentence that begins with the event; undefined when nothing is. */
export type CheckData = (data: JsonObject) => string | undefined;

interface FieldRule {
  readonly wants: string;
  holds(value: unknown): boolean;
}

const RULES: Readonly<Record<FieldKind, FieldRule>> = {
  text: { wants: 'a text', holds: (value) => typeof value === 'string' },
  number: { wants: 'a finite number', holds: (value) => Number.isFinite(value) },
  integer: { wants: 'an integer', holds: (value) => Number.isSafeInteger(value) },
  boolean: { wants: 'true or false', holds: (value) => typeof value === 'boolean' },
};

export function compileCheck(fields: EventSchema['fields']): CheckData {
  const rules = new Map<string, FieldRule>();
  const required: string[] = [];
  for (const [name, spec] of Object.entries(fields)) {
    const [kind, optional] = kindOf(spec);
    rules.set(name, RULES[kind]);
    if (!optional) required.push(name);
  }
  return (data) => {
    for (const name of required) {
      if (data[name] === undefined) return `lacks the field ${name}`;
    }
    for (const name of Object.keys(data)) {
      const rule = rules.get(name);
      if (rule === undefined) return `has a field ${name} that its schema does not know`;
      const value = data[name];
      // JSON leaves out what is undefined, so such a field is one that is missing.
      if (value !== undefined && !rule.holds(value)) {
        return `has ${show(value)} in the field ${name}, which takes ${rule.wants}`;
      }
    }
    return undefined;
  };
}

function kindOf(spec: EventSchema['fields'][string]): readonly [kind: FieldKind, optional: boolean] {
  switch (spec) {
    case 'text?':
      return ['text', true];
    case 'number?':
      return ['number', true];
    case 'integer?':
      return ['integer', true];
    case 'boolean?':
      return ['boolean', true];
    default:
      return [spec, false];
  }
}

/** Short enough for a message, and NaN and infinities as they are. */
function show(value: unknown): string {
  const text = typeof value === 'number' ? String(value) : (JSON.stringify(value) ?? typeof value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
