/** Declarations of what a pilot may run: by name, never by path. */

import { z } from 'zod';

const NAME_RULE =
  'must be 1 to 50 letters, digits, dots, dashes or underscores, and begin with a letter or digit';
export const EXECUTABLES_RULE = 'must hold declarations of executables, by name';
const ARGV_RULE = 'must be a list: the program, then its arguments, all texts';

export const EXECUTABLE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/;
export const ExecutableName = z.string(NAME_RULE).regex(EXECUTABLE_NAME, NAME_RULE);

const Argv = z
  .array(z.string(ARGV_RULE), ARGV_RULE)
  .min(1, ARGV_RULE)
  .refine(([program]) => program !== '', 'must begin with the program');

export const Executable = z.strictObject(
  {
    argv: Argv,
    /** For jobs of mode merge; default: `argv`. */
    merge_argv: Argv.optional(),
    device: z.enum(['cpu', 'gpu'], 'must be cpu or gpu').optional(),
    timeout_seconds: z.int('must be a whole number').min(1, 'must be 1 or more').optional(),
    /** Names of variables of the pilot's environment that it is given too. */
    environment: z
      .array(z.string('must be the name of a variable'), 'must be a list of names of variables')
      .default([]),
  },
  { error: ({ code }) => (code === 'invalid_type' ? 'must be a declaration with argv' : undefined) },
);

export type ExecutableDeclaration = z.output<typeof Executable>;
