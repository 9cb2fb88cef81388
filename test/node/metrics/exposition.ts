/**
 * Reads the text format of Prometheus (version 0.0.4) as strictly as its documentation has it: a family is told in one piece, with
 * HELP, then TYPE, then its samples; nothing is told twice; buckets add up.
 */

export interface ParsedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly samples: ParsedSample[];
}

const METRIC = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const LABEL = '[a-zA-Z_][a-zA-Z0-9_]*';
const HEAD = new RegExp(`^# (HELP|TYPE) (${METRIC}) (.+)$`);
const SAMPLE = new RegExp(`^(${METRIC})(?:\\{(.*)\\})? (\\S+)$`);
const PAIR = new RegExp(`^(${LABEL})="((?:[^"\\\\\\n]|\\\\["\\\\n])*)"(?:,|$)`);
const VALUE = /^([+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]Inf|Nan|NaN)$/;
const TYPES = ['counter', 'gauge', 'histogram', 'summary', 'untyped'];

/** @throws Error that names the line */
export function parseExposition(text: string): ReadonlyMap<string, Family> {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const families = new Map<string, Family>();
  let help: { name: string; text: string } | undefined;
  let family: Family | undefined;
  for (const line of text.split('\n')) {
    const fail = (why: string): never => {
      throw new Error(`${why}: ${line}`);
    };
    if (line === '') continue;
    if (line.startsWith('#')) {
      const [, what, name = '', rest = ''] = HEAD.exec(line) ?? fail('no comment of the format');
      if (what === 'HELP') {
        if (families.has(name)) fail('told in two pieces');
        help = { name, text: rest };
        continue;
      }
      if (help?.name !== name) fail('no HELP before its TYPE');
      if (!TYPES.includes(rest)) fail('no type of the format');
      family = { name, type: rest, help: help?.text ?? '', samples: [] };
      families.set(name, family);
      continue;
    }
    const [, name = '', labels = '', value = ''] = SAMPLE.exec(line) ?? fail('no sample of the format');
    if (!VALUE.test(value)) fail('no number');
    if (family === undefined || familyOf(name, family.type) !== family.name) return fail('of no family');
    const sample = { name, labels: labelsIn(labels, fail), value: Number(value.replace('Inf', 'Infinity')) };
    const isTold = family.samples.some((one) => one.name === name && sameLabels(one.labels, sample.labels));
    if (isTold) fail('told twice');
    family.samples.push(sample);
  }
  for (const one of families.values()) if (one.type === 'histogram') checkHistogram(one);
  return families;
}

export function numberOf(
  families: ReadonlyMap<string, Family>,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const all = [...families.values()].flatMap(({ samples }) => samples);
  return all.find((one) => one.name === name && sameLabels(one.labels, labels))?.value;
}

function familyOf(name: string, type: string): string {
  return type === 'histogram' ? name.replace(/_(bucket|sum|count)$/, '') : name;
}

function labelsIn(text: string, fail: (why: string) => never): Record<string, string> {
  const labels: Record<string, string> = {};
  let rest = text;
  while (rest !== '') {
    const [pair = '', label = '', value = ''] = PAIR.exec(rest) ?? fail('no labels of the format');
    if (Object.hasOwn(labels, label)) fail('a label twice');
    labels[label] = value.replaceAll(/\\(["\\n])/g, (_, sign: string) => (sign === 'n' ? '\n' : sign));
    rest = rest.slice(pair.length);
  }
  return labels;
}

function sameLabels(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

function checkHistogram({ name, samples }: Family): void {
  const bySeries = new Map<string, ParsedSample[]>();
  for (const sample of samples) {
    const { le: _, ...labels } = sample.labels;
    const key = JSON.stringify(labels);
    bySeries.set(key, [...(bySeries.get(key) ?? []), sample]);
  }
  for (const [series, all] of bySeries) {
    const buckets = all.filter((one) => one.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => Number(labels['le']?.replace('Inf', 'Infinity')));
    const rising = (values: readonly number[], by: number) =>
      values.every((value, at) => at === 0 || value - (values[at - 1] ?? 0) >= by);
    const count = all.find((one) => one.name === `${name}_count`)?.value;
    const sum = all.find((one) => one.name === `${name}_sum`)?.value;
    const isWhole =
      bounds.at(-1) === Number.POSITIVE_INFINITY && buckets.at(-1)?.value === count && sum !== undefined;
    if (!isWhole || !rising(bounds, Number.MIN_VALUE)) throw new Error(`${name} ${series} has other buckets`);
    if (
      !rising(
        buckets.map(({ value }) => value),
        0,
      )
    )
      throw new Error(`${name} ${series} does not add up`);
  }
}
