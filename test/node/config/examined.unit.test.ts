/** A configuration that is wrong: all of it is told, what is right beside it can be looked at, and what nobody can rely on is known. */

import { join } from 'node:path';
import t, { type Test } from 'tap';
import { Settings } from '../../../src/node/config/config.js';
import { describeProblem } from '../../../src/node/config/config-problems.js';
import { talentSection } from '../../../src/systems/talent/config.js';
import { SYSTEMS } from '../../../src/systems.js';

const settings = new Settings(SYSTEMS);

function examined(t: Test, yaml: string, env: Readonly<Record<string, string>> = {}) {
  const cwd = t.testdir({ 'owl.yaml': yaml });
  const { problems, node, of, place, isWrong, said } = settings.examine({ env, cwd });
  const wrong = (...keys: string[]) => keys.filter((key) => isWrong(key.split('.')));
  return { cwd, told: problems.map(describeProblem), node, talent: of(talentSection), place, wrong, said };
}

t.test('what is sound can be looked at beside what is wrong', async (t) => {
  const yaml = 'lisen: x\nleases: { default_seconds: 0, give_up_seconds: 7 }\nworker_id: shed-3\n';
  const { cwd, told, node, talent, place, wrong } = examined(t, yaml, { OWL_LOG_LEVEL: 'warn' });
  t.equal(told.length, 2);
  t.match(node, { worker_id: 'shed-3', log: { level: 'warn' }, data: join(cwd, 'data') });
  t.strictSame(talent.leases, { default_seconds: 30, give_up_seconds: 7 });
  t.strictSame([['worker_id'], ['log', 'level'], ['data'], ['plotters', 'none']].map(place), [
    'owl.yaml:3:1',
    'OWL_LOG_LEVEL',
    'default',
    'default',
  ]);
  t.strictSame(
    wrong('listen', 'worker_id', 'leases.default_seconds', 'leases.give_up_seconds', 'data'),
    ['listen', 'leases.default_seconds'],
    'also what a key was meant as',
  );
});

t.test('what can not be relied on: the source that counts is the wrong one', async (t) => {
  const overridden = examined(t, 'listen: nowhere\nlog: loud\n', { OWL_LISTEN: '127.0.0.1:1' });
  t.equal(overridden.told.length, 2);
  t.equal(overridden.node.listen, '127.0.0.1:1');
  t.strictSame(overridden.wrong('listen', 'log.level', 'data'), ['log.level']);
  const below = examined(t, 'listen: 127.0.0.1:1\n', { OWL_LISTEN: 'nowhere', OWL_DAAT: '/x' });
  t.strictSame(below.wrong('listen', 'data', 'access'), ['listen', 'data']);
  t.equal(below.node.listen, '127.0.0.1:50051', 'not what stands below it');
  t.equal(below.said(['listen']), 'nowhere');
});

t.test('of a table the entries that are wrong count as not given', async (t) => {
  const good = 'good: { argv: [good], format: chia }';
  const { talent, wrong, told } = examined(t, `plotters: { ${good}, bad: { argv: [bad] }, Worse: {} }\n`);
  t.strictSame(Object.keys(talent.plotters), ['good']);
  t.strictSame(wrong('plotters.good', 'plotters.bad', 'plotters.bad.argv', 'plotters.Worse', 'plotters'), [
    'plotters.bad',
    'plotters.bad.argv',
    'plotters.Worse',
  ]);
  t.match(told, [/bad\.format must name/, /plotters\.Worse must be 1 to 32/]);
  const none = examined(t, 'plotters: [x]\n');
  t.strictSame(none.talent.plotters, {});
  t.strictSame(none.wrong('plotters.x', 'listen'), ['plotters.x']);
});

t.test('of a file that can not be read, or is no YAML, nothing can be relied on', async (t) => {
  for (const yaml of ['log:\n\tlevel: info\n', '- listen\n', 'listen: *missing\n']) {
    const { told, wrong } = examined(t, yaml, { OWL_DATA: '/x' });
    t.equal(told.length, 1);
    t.strictSame(wrong('listen', 'tls.cert', 'data'), ['listen', 'tls.cert'], yaml);
  }
});

t.test('what is no good YAML is refused with line and column', async (t) => {
  const told = (text: string) => examined(t, text).told;
  t.match(told('log:\n\tlevel: info\n'), [/^owl\.yaml:2:1: is not good YAML: .*[Tt]ab/]);
  t.match(told('listen: !secret x\n'), [/^owl\.yaml:1:9: is not good YAML: Unresolved tag/]);
  t.match(told('listen: *missing\n'), [/^owl\.yaml.*is not good YAML/]);
  t.match(told('? [a]\n: 1\n'), [/^owl\.yaml:1:3: is not good YAML/]);
  t.match(told('# a list\n\n- listen\n'), [/^owl\.yaml:3:1: must hold keys with values/]);
  t.match(told('listen\n'), [/^owl\.yaml:1:1: must hold keys with values/]);
});

t.test('a key that is given twice is told with both places, and hides nothing', async (t) => {
  const yaml = `listen: a:1
log: { level: loud }
limits: { mailbox: 1, mailbox: 0 }
listen: b
worker_id: shed 3
tls: { cert: a.pem }
tls:
  key: a.key
  cert: b.pem
plotters:
  mine: { argv: [a], format: chia, format: chiapso }
`;
  const { told, wrong, node } = examined(t, yaml);
  t.match(told, [
    /^owl\.yaml:2:8: log\.level must be one of/,
    /^owl\.yaml:3:23: limits\.mailbox is given twice; it stands in owl\.yaml:3:11 too$/,
    /^owl\.yaml:3:23: limits\.mailbox must be a whole number .*, not 0$/,
    /^owl\.yaml:4:1: listen is given twice; it stands in owl\.yaml:1:1 too$/,
    /^owl\.yaml:4:1: listen must be HOST:PORT/,
    /^owl\.yaml:5:1: worker_id must be/,
    /^owl\.yaml:7:1: tls is given twice; it stands in owl\.yaml:6:1 too$/,
    /^owl\.yaml:9:3: tls\.cert is given twice; it stands in owl\.yaml:6:8 too$/,
    /^owl\.yaml:11:36: plotters\.mine\.format is given twice/,
    /^owl\.yaml:11:36: plotters\.mine\.format must name the format/,
  ]);
  t.equal(told.length, 10);
  t.strictSame(
    wrong('listen', 'limits.mailbox', 'tls.cert', 'tls.key', 'plotters.mine', 'worker_id', 'data'),
    ['listen', 'limits.mailbox', 'tls.cert', 'plotters.mine', 'worker_id'],
  );
  t.match(node.tls.key, /a\.key$/, 'sections become one');
  t.throws(() => settings.load({ env: {}, cwd: t.testdir({ 'owl.yaml': 'data: a\ndata: a\n' }) }), {
    message: 'owl.yaml:2:1: data is given twice; it stands in owl.yaml:1:1 too',
  });
});

t.test('each rule is told in words of our own, whatever stands there instead', async (t) => {
  const plotter = { argv: '[mine]', format: 'chia' };
  const fields = ['argv', 'format', 'temp', 'versions', 'fills', 'k32_gib', 'smallest_k', 'largest_k'];
  fields.push('max_per_cache', 'environment');
  for (const value of ['true', '1.5', 'text', '[1]', '[{ a: 1 }]', '{ a: 1 }', '~']) {
    const lines = [
      ...settings.keys.filter(({ path }) => path.length === 1).map(({ key }) => `${key}: ${value}`),
      ...settings.sections.map((section) => `${section}: ${value}`),
      'plotters:',
      `  whole: ${value}`,
      ...fields.map((field) => {
        const entries = Object.entries({ ...plotter, [field]: value }).map(
          ([name, given]) => `${name}: ${given}`,
        );
        return `  ${field.replace('_', '-')}: { ${entries.join(', ')} }`;
      }),
    ];
    const tables = settings.tables.map((table) => {
      const names = table.split('.');
      return `${names.map((name) => `${name}: { `).join('')}x: ${value}${' }'.repeat(names.length)}\n`;
    });
    const files = [`${lines.join('\n')}\n`, ...tables];
    for (const line of files.flatMap((yaml) => examined(t, yaml).told))
      t.notMatch(line, /invalid (input|option|type)|expected|received|too (small|big)/i, line);
  }
  t.match(examined(t, 'plotters: { mine: [a] }\n').told, [
    /^owl\.yaml:1:13: plotters\.mine must be a section with keys of its own \(argv and format at least\), not \["a"\]$/,
  ]);
  t.match(examined(t, 'plotters: { mine: { argv: [a], format: chia, k32_gib: 3 } }\n').told, [
    /k32_gib must be a section with GiB by directory \(cache1, cache2, caches, dest\), not 3$/,
  ]);
});
