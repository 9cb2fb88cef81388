/**
 * docs/metrics.md, docs/grafana.json and docs/alerts.yaml: commands say what the page says, a scrape as configured there is answered,
 * and every metric and label that is named there is in the answer of a real node, as the page describes it.
 */

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { parse } from 'yaml';
import { z } from 'zod';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';
import { addAccess } from '../../src/node/access/access-file.js';
import { talent } from '../../src/systems/talent/system.js';
import { workload } from '../../src/systems/workload/system.js';
import { type Family, parseExposition } from '../node/metrics/exposition.js';
import { askAt, startHttpNode } from '../node/serving/http/http-node.js';
import { startOwl } from '../support/owl-process.js';
import { until } from '../support/until.js';

const doc = (name: string) => readFileSync(join(PACKAGE_ROOT, 'docs', name), 'utf8');
const PAGE = doc('metrics.md');
const OWL = fileURLToPath(new URL('../../src/owl.js', import.meta.url));
const SHOWN = '127.0.0.1:50080';
const hasCurl = spawnSync('curl', ['--version']).status === 0;

const Scrape = z.object({
  scrape_configs: z
    .array(
      z.object({
        job_name: z.literal('owl'),
        authorization: z.object({ credentials_file: z.string() }),
        static_configs: z.array(z.object({ targets: z.array(z.literal(SHOWN)).length(1) })).length(1),
      }),
    )
    .length(1),
});
const Rule = z.strictObject({
  alert: z.string().regex(/^(Owl|Talent)[A-Za-z]+$/),
  expr: z.string(),
  for: z
    .string()
    .regex(/^\d+[mh]$/)
    .optional(),
  labels: z.strictObject({ severity: z.enum(['warning', 'critical']) }),
  annotations: z.strictObject({ summary: z.string().min(10), description: z.string().min(10) }),
});
const Alerts = z.strictObject({
  groups: z.array(z.strictObject({ name: z.string(), rules: z.array(Rule) })).length(1),
});
const Source = z.object({ type: z.literal('prometheus'), uid: z.string().regex(/^\$\{datasource\}$/) });
const Panel = z.object({
  id: z.int(),
  type: z.enum(['row', 'timeseries', 'stat']),
  title: z.string().min(1),
  datasource: Source.optional(),
  gridPos: z.object({ x: z.int(), y: z.int(), w: z.int(), h: z.int() }),
  targets: z
    .array(z.object({ refId: z.string(), expr: z.string(), datasource: Source, legendFormat: z.string() }))
    .default([]),
});
const Dashboard = z.object({
  uid: z.string(),
  title: z.string(),
  schemaVersion: z.int(),
  templating: z.object({ list: z.array(z.object({ name: z.string(), type: z.string() })) }),
  panels: z.array(Panel),
});

const RULES = Alerts.parse(parse(doc('alerts.yaml'))).groups.flatMap(({ rules }) => rules);
const DASHBOARD = Dashboard.parse(JSON.parse(doc('grafana.json')));
const EXPRESSIONS = [
  ...RULES.map(({ expr }) => expr),
  ...DASHBOARD.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
];

/** Metrics of an expression, each with the labels that it is asked for by. */
function namedIn(
  expression: string,
): { name: string; labels: [name: string, sign: string, value: string][] }[] {
  const named = [...expression.matchAll(/\b((?:owl|talent|process)_[a-z0-9_]+)(?:\{([^}]*)\})?/g)];
  return named.map(([, name = '', labels = '']) => ({
    name: name.replace(/_bucket$/, ''),
    labels: [...labels.matchAll(/([a-z_]+)(=~|!~|!=|=)"([^"]*)"/g)].map(
      ([, label = '', sign = '', value = '']) => [label, sign, value],
    ),
  }));
}

/** Prometheus adds it. */
const ADDED = new Set(['instance', 'job', 'le']);

/** A node of both systems with one supervisor, so that there are leases. */
const { ask, call } = await startHttpNode(t, { systems: [talent, workload] });
await call('talent.PlotManager', 'supervisor_attach', { worker_id: 'w', session_id: 's' });
const told = parseExposition((await ask('GET', '/metrics')).text);

t.test('every metric, label and value that dashboard and alerts name is there', async (t) => {
  t.ok(EXPRESSIONS.length >= 40);
  for (const expression of EXPRESSIONS) {
    t.equal(expression.split('(').length, expression.split(')').length, expression);
    const named = namedIn(expression);
    t.ok(named.length > 0, expression);
    for (const { name, labels } of named) {
      const samples = told.get(name)?.samples;
      if (samples === undefined) {
        t.fail(`there is no ${name}`);
        continue;
      }
      for (const [label, sign, value] of labels.filter(([label]) => !ADDED.has(label))) {
        // Of what a talent has none of there are no samples.
        if (samples.length === 0) continue;
        const values = samples.map((sample) => sample.labels[label]);
        const wanted = sign.endsWith('~') ? value.split('|') : [value];
        for (const one of wanted) t.ok(values.includes(one), `${name} has ${label}="${one}"`);
      }
    }
  }
});

t.test('a dashboard that can be imported: no two panels are one, or in one place', async (t) => {
  const { panels, templating } = DASHBOARD;
  t.same(
    templating.list.map(({ name, type }) => `${name} ${type}`),
    ['datasource datasource', 'instance query'],
  );
  t.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { title, type, datasource, targets, gridPos: place } of panels) {
    t.ok(place.x + place.w <= 24, title);
    const cells: string[] = [];
    for (let x = place.x; x < place.x + place.w; x++)
      for (let y = place.y; y < place.y + place.h; y++) cells.push(`${x} ${y}`);
    t.notOk(
      cells.some((cell) => taken.has(cell)),
      `${title} is in its own place`,
    );
    for (const cell of cells) taken.add(cell);
    if (type === 'row') continue;
    t.ok(datasource !== undefined && targets.length > 0, title);
    t.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
  }
});

t.test('ten alerts, and the page lists them', async (t) => {
  t.equal(RULES.length, 10);
  const listed = [...PAGE.matchAll(/^\| `((?:Owl|Talent)\w+)` \|/gm)].map(([, name]) => name);
  t.same(
    listed,
    RULES.map(({ alert }) => alert),
  );
});

t.test('the page lists every metric as the node tells it', async (t) => {
  const rows = [
    ...PAGE.matchAll(/^\| `([a-z_0-9]+)` \| (counter|gauge|histogram) \| ([a-z, ]*) \| (.+) \|$/gm),
  ];
  const labelsOf = ({ samples }: Family) =>
    [...new Set(samples.flatMap((sample) => Object.keys(sample.labels)))].filter((label) => label !== 'le');
  const listed = rows.map(([, name = '', type = '', labels = '', help = '']) => ({
    name,
    type,
    labels,
    help,
  }));
  t.same(new Set(listed.map(({ name }) => name)), new Set(told.keys()));
  for (const { name, type, labels, help } of listed) {
    const family = told.get(name);
    t.match(family, { type, help }, name);
    if (family !== undefined && family.samples.length > 0)
      t.same(labelsOf(family), labels === '' ? [] : labels.split(', '), name);
  }
});

t.test('a scrape as the page configures it is answered, and none without its token', async (t) => {
  const [, yaml = ''] = /```yaml\n(# prometheus\.yml[\s\S]*?)```/.exec(PAGE) ?? [];
  const [config] = Scrape.parse(parse(yaml)).scrape_configs;
  const { address, data } = await startHttpNode(t, { systems: [talent], config: { access: 'required' } });
  const token = await addAccess(data, { name: 'prometheus', roles: ['reader'] });
  const file = join(data, config?.authorization.credentials_file ?? '');
  writeFileSync(file, `${token}\n`);
  const headers = {
    accept: 'application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.6,*/*;q=0.1',
    'x-prometheus-scrape-timeout-seconds': '10',
  };
  // As Prometheus does: what stands in the file, without the line break.
  const authorization = `Bearer ${readFileSync(file, 'utf8').trim()}`;
  const answer = await askAt(address, 'GET', '/metrics', { headers, authorization });
  t.match(answer, { status: 200, headers: { 'content-type': /^text\/plain; version=0\.0\.4/ } });
  t.ok(parseExposition(answer.text).size > 50);
  t.match(await askAt(address, 'GET', '/metrics', { headers }), { status: 401 });
});

t.test('each command says what the page says', { skip: !hasCurl && 'there is no curl here' }, async (t) => {
  const blocks = [...PAGE.matchAll(/```sh\n([\s\S]*?)```(?:\n\n```text\n([\s\S]*?)```)?/g)];
  const [[, first = ''] = [], ...others] = blocks;
  const [name, ...args] = first.trim().replace(SHOWN, '127.0.0.1:0').split(' ');
  t.equal(name, 'owl');
  const cwd = t.testdir();
  const up = startOwl(t, [...args, '--no-machine', '--listen', '127.0.0.1:0', '--json'], { cwd });
  await until('it is up', () => up.stdout().endsWith('\n'));
  const { http_address: http } = z.object({ http_address: z.string() }).parse(JSON.parse(up.stdout()));
  mkdirSync(join(cwd, 'bin'));
  writeFileSync(join(cwd, 'bin', 'owl'), `#!/bin/sh\nexec "${process.execPath}" "${OWL}" "$@"\n`);
  chmodSync(join(cwd, 'bin', 'owl'), 0o755);
  const env = { PATH: `${join(cwd, 'bin')}:${process.env['PATH']}` };
  t.equal(others.length, 2);
  for (const [, commands = '', said] of others) {
    const script = commands.replaceAll(SHOWN, http);
    const { status, stdout, stderr } = spawnSync('sh', ['-e', '-c', script], { cwd, env, encoding: 'utf8' });
    t.equal(status, 0, `${script}\n${stderr}`);
    if (said !== undefined) t.equal(stdout.trim(), said.trim(), script);
  }
  t.match(readFileSync(join(cwd, 'prometheus.token'), 'utf8'), /^owl_\S+\n$/);
  up.child.kill('SIGTERM');
  t.match(await up.ended, { code: 0 });
});
