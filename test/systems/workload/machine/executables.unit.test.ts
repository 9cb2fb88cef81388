/** Declarations of executables: what is taken, what is refused and why, and the command line that a job becomes. */

import t from 'tap';
import { z } from 'zod';
import {
  commandFor,
  Executable,
  ExecutableName,
  findProgram,
} from '../../../../src/systems/workload/machine/executables.js';

function problems(declaration: object): string {
  const { error } = Executable.safeParse(declaration);
  return error === undefined ? '' : z.prettifyError(error);
}

t.test('what a declaration may say', (t) => {
  t.equal(problems({ argv: ['/usr/bin/sort', '{args}', '-o', '{out}', '{in}'], device: 'cpu' }), '');
  t.equal(problems({ argv: ['awk', '{ print $1 }', '{inputs_file}', 'x{seq}.{job_id}'] }), '');
  const table: readonly (readonly [object, RegExp])[] = [
    [{}, /must be a list/],
    [{ argv: [] }, /must be a list: the program/],
    [{ argv: 'sort' }, /must be a list/],
    [{ argv: ['sort', 1] }, /must be a list/],
    [{ argv: [''] }, /must begin with the program/],
    [{ argv: ['bin/sort'] }, /absolute path, or a name that is found in PATH/],
    [{ argv: ['{args}'] }, /not with a placeholder/],
    [{ argv: ['sort', '{inn}'] }, /\{inn\} is no placeholder; there are \{args\}/],
    [{ argv: ['sort', '--x={args}'] }, /\{args\} stands for as many elements/],
    [{ argv: ['sort', 'a{inputs}'] }, /\{inputs\} stands for as many elements/],
    [{ argv: ['sort', 'a\0'] }, /NUL/],
    [{ argv: ['sort'], merge_argv: ['{out}'] }, /not with a placeholder/],
    [{ argv: ['sort'], device: 'tpu' }, /must be cpu or gpu/],
    [{ argv: ['sort'], timeout_seconds: 0 }, /must be a whole number from 1/],
    [{ argv: ['sort'], environment: ['A-B'] }, /must be the name of a variable/],
    [{ argv: ['sort'], environment: ['OWL_JOB'] }, /OWL_JOB is set by owl/],
    [{ argv: ['sort'], timeout: 3 }, /timeout/],
  ];
  for (const [declaration, problem] of table)
    t.match(problems(declaration), problem, JSON.stringify(declaration));
  for (const name of ['', '/bin/sh', 'a b', 'x'.repeat(51), '-x'])
    t.notOk(ExecutableName.safeParse(name).success);
  for (const name of ['sort', 'x'.repeat(50), 'g4.beam_2']) t.ok(ExecutableName.safeParse(name).success);
  t.end();
});

const values = {
  ...{ mode: 'map', args: '', inputs: ['/w/in/a'], inputsFile: '/w/inputs', out: '/w/out/o' },
  ...{ log: '/l', jobId: 'j', seq: 4 },
};
const declared = (argv: string[], merge_argv?: string[]) => ({
  ...{ argv, environment: [] },
  ...(merge_argv === undefined ? {} : { merge_argv }),
});

t.test('a job becomes a command line', (t) => {
  const sort = declared(
    ['sort', '{args}', '-o', '{out}', '{in}'],
    ['sort', '-m', '{args}', '-o{out}', '{inputs}'],
  );
  const command = (more: Partial<typeof values>, of = sort) => commandFor('x', of, { ...values, ...more });
  t.same(command({}), ['sort', '-o', '/w/out/o', '/w/in/a']);
  t.same(command({ args: `-k 2 'a b'` }), ['sort', '-k', '2', 'a b', '-o', '/w/out/o', '/w/in/a']);
  t.same(command({ mode: 'merge', inputs: ['/1', '/2'] }), ['sort', '-m', '-o/w/out/o', '/1', '/2']);
  const all = declared(['p', '{inputs_file}', '{log}:{job_id}:{seq}']);
  t.same(command({ mode: 'merge', inputs: Array(1000).fill('/x') }, all), ['p', '/w/inputs', '/l:j:4']);
  // What somebody has ordered is never read for placeholders, nor does it become two.
  t.same(command({ args: `'{in}' '$(id) *'`, inputs: ['/w/{out}'] }).slice(1, 3), ['{in}', '$(id) *']);
  t.equal(command({ inputs: ['/w/{out}'] }).at(-1), '/w/{out}');
  t.end();
});

t.test('what a declaration can not do for a job', (t) => {
  const refused = (more: Partial<typeof values>, argv: string[], message: RegExp) =>
    t.throws(() => commandFor('x', declared(argv), { ...values, ...more }), { kind: 'invalid', message });
  refused({ inputs: ['/1', '/2'] }, ['p', '{in}'], /takes one input \(\{in\}\), and the job has 2/);
  refused({ inputs: Array(201).fill('/x') }, ['p', '{inputs}'], /room for 200, and the job has 201/);
  refused({ args: 'a' }, ['p', '{in}'], /takes no arguments/);
  refused({ args: `'a` }, ['p', '{args}', '{in}'], /stays open/);
  t.same(
    commandFor('x', declared(['p', '{inputs}']), { ...values, inputs: Array(200).fill('/x') }).length,
    201,
  );
  t.end();
});

t.test('a program is found in PATH, or where it is said to be', (t) => {
  t.equal(findProgram('sh', '/nowhere:relative:/bin'), '/bin/sh');
  t.equal(findProgram('sh', '/nowhere'), undefined);
  t.equal(findProgram('/bin/sh', ''), '/bin/sh');
  t.equal(findProgram('/bin', ''), undefined, 'a directory is none');
  t.end();
});
