/** What a pilot says of itself when it attaches. */

import { MOST_EXECUTABLES } from '../../../../../machines/workload/pilot.js';
import { InvalidFieldError } from '../../../../base/errors.js';
import * as rules from '../../../../base/field-rules.js';
import { isJsonObject, type JsonObject } from '../../../../runtime/event-store/event-store.js';
import { DEVICES } from '../../devices.js';
import { EXECUTABLE_NAME } from '../../machine/executables.js';

const MOST_SLOTS = 1024;
const MOST_MEMORY_MIB = 16 * 1024 * 1024;
const MOST_LABELS = 32;
const LONGEST_LABEL = 255;
const FIELDS = new Set(['device_type', 'slots', 'executables', 'memory_mib', 'labels', 'instance']);
const INSTANCE = /^[A-Za-z0-9-]{1,64}$/;

/** Fields of PilotAttached. @throws InvalidFieldError that names a field below `body` */
export function readPilotBody(body: JsonObject): JsonObject {
  const unknown = Object.keys(body).find((name) => !FIELDS.has(name));
  if (unknown !== undefined) throw new InvalidFieldError(`body.${unknown}`, 'is no field of a pilot');
  const { device_type, slots, memory_mib: memory } = body;
  const device = rules.given('body.device_type', textOf(device_type), rules.isOneOf(...DEVICES));
  const labels = readLabels(body['labels']);
  return {
    device_type: device,
    slots: rules.givenNumber('body.slots', numberOf(slots), rules.isWhole(1, MOST_SLOTS)),
    executables: readExecutables(body['executables']),
    ...(memory === undefined || memory === 0 ? {} : { memory_mib: readMemory(memory) }),
    ...(labels === undefined ? {} : { labels }),
    ...(body['instance'] === undefined ? {} : { instance: readInstance(body['instance']) }),
  };
}

function readInstance(given: unknown): string {
  return rules.given('body.instance', textOf(given), (text) =>
    INSTANCE.test(text) ? undefined : 'must be 1 to 64 letters, digits and -',
  );
}

function readMemory(given: unknown): number {
  return rules.givenNumber('body.memory_mib', numberOf(given), rules.isWhole(1, MOST_MEMORY_MIB));
}

/** In order, so that the same ones are the same. */
function readExecutables(given: unknown): string[] {
  const field = 'body.executables';
  if (!Array.isArray(given) || given.length === 0 || given.length > MOST_EXECUTABLES)
    throw new InvalidFieldError(field, `must be a list of 1 to ${MOST_EXECUTABLES} names of executables`);
  const names = given.map((name: unknown) =>
    rules.given(field, textOf(name), (text) =>
      EXECUTABLE_NAME.test(text) ? undefined : 'must be names of executables, never paths',
    ),
  );
  return [...new Set(names)].sort();
}

function readLabels(given: JsonObject[string] | undefined): JsonObject | undefined {
  if (given === undefined) return undefined;
  const labels = isJsonObject(given) ? Object.entries(given) : undefined;
  if (labels === undefined || labels.length > MOST_LABELS || !labels.every(isLabel))
    throw new InvalidFieldError(
      'body.labels',
      `must be texts of up to ${LONGEST_LABEL} characters by name, ${MOST_LABELS} at the most`,
    );
  return Object.fromEntries(labels);
}

function isLabel([name, value]: readonly [string, unknown]): boolean {
  return (
    name !== '' && name.length <= LONGEST_LABEL && typeof value === 'string' && value.length <= LONGEST_LABEL
  );
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
