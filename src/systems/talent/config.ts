/** What can be configured of talent: leases of supervisors, and what the supervisor of this machine does. */

import { z } from 'zod';
import { configSection, meant, wholeNumber } from '../../node/config/config-section.js';
import { LOG_FORMATS } from './log-receiver/parsers/index.js';
import {
  problemOfArgument,
  problemOfShared,
  problemOfTemp,
  problemOfVariable,
} from './supervisor/plotters/plotters.js';

const HOUR = 3600;
const DAY = 24 * HOUR;

const NAME_RULE = 'must be 1 to 32 small letters, digits, dashes or underscores, and begin with a letter';
const Name = z.string(NAME_RULE).regex(/^[a-z][a-z0-9_-]{0,31}$/, NAME_RULE);

const PLACES = ['cache', 'dest'] as const;
const ARGV_RULE =
  'must be a list: the program, then its arguments as texts, or as lists of texts where some are left out together';
/** Numbers are text here (config-file.ts), so what is left is nothing, or a section. */
const ARGUMENT_RULE = 'must be text (quote it), or a list of texts that are left out together';
const FORMAT_RULE = `must name the format of its log, one of ${LOG_FORMATS.join(', ')}`;
const PLOTTERS_RULE = 'must hold declarations of plotters, by name';
const Argument = obeying(z.string(ARGUMENT_RULE), problemOfArgument);
const Gib = z.number('must be GiB as a number').min(0, 'must be 0 or more').optional();
const Ksize = z.int('must be a whole number').min(1, 'must be 1 or more').optional();
const FILLS_RULE = `must be a list of ${PLACES.join(' and ')}`;
const PLOTTER_RULE = 'must be a section with keys of its own (argv and format at least)';
const GIB_RULE = 'must be a section with GiB by directory (cache1, cache2, caches, dest)';
const Plotter = sectionOf(PLOTTER_RULE, {
  argv: z
    .array(
      z.union([Argument, z.array(Argument, ARGUMENT_RULE).min(1, ARGUMENT_RULE)], ARGUMENT_RULE),
      ARGV_RULE,
    )
    .min(1, ARGV_RULE)
    .refine(([program]) => typeof program === 'string' && program !== '', 'must begin with the program'),
  format: z.string(FORMAT_RULE).refine((format) => LOG_FORMATS.includes(format), FORMAT_RULE),
  temp: z
    .array(obeying(z.string('must be a pattern'), problemOfTemp), 'must be a list of patterns')
    .default([]),
  versions: z.string('must say in words which versions it is for').optional(),
  fills: z.array(z.enum(PLACES, FILLS_RULE), FILLS_RULE).default(() => [...PLACES]),
  k32_gib: sectionOf(GIB_RULE, { cache1: Gib, cache2: Gib, caches: Gib, dest: Gib }).optional(),
  smallest_k: Ksize,
  largest_k: Ksize,
  max_per_cache: z.int('must be a whole number').min(1, 'must be 1 or more').optional(),
  environment: z
    .array(
      obeying(z.string('must be the name of a variable'), problemOfVariable),
      'must be a list of names of variables',
    )
    .default([]),
}).superRefine((plotter, context) => {
  for (const [index, pattern] of plotter.temp.entries()) {
    const message = problemOfShared(pattern, plotter);
    if (message !== undefined) context.addIssue({ code: 'custom', message, path: ['temp', index] });
  }
});

function sectionOf<Shape extends z.ZodRawShape>(rule: string, shape: Shape) {
  return z.strictObject(shape, { error: ({ code }) => (code === 'invalid_type' ? rule : undefined) });
}

function obeying(text: z.ZodString, problemOf: (text: string) => string | undefined) {
  return text.superRefine((value, context) => {
    const message = problemOf(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

const LEASES = {
  default_seconds: wholeNumber(
    { from: 1, to: HOUR, otherwise: 30 },
    'How long a supervisor that names no time of its own may be silent before it counts as lost.',
  ),
  give_up_seconds: wholeNumber(
    { from: 1, to: 7 * DAY, otherwise: 600 },
    'How long a supervisor stays lost before its tasks fail.',
  ),
};

const SUPERVISOR = {
  plotter: meant(Name.default('chia'), {
    rule: NAME_RULE,
    meaning: 'Which plotter makes the plots of this machine: a shipped one or one of `plotters`.',
  }),
  compression: wholeNumber(
    { from: 0, to: 9, otherwise: 0 },
    'How far plots are compressed, in levels of the plotter; 0 for not at all.',
  ),
  max_plots: wholeNumber({ from: 1, to: 1000, otherwise: 4 }, 'Plots made at the same time.'),
  max_per_cache: wholeNumber(
    { from: 1, to: 1000, otherwise: 4 },
    'Plots made at the same time with the same cache directory.',
  ),
  stagger_seconds: wholeNumber(
    { from: 0, to: DAY, otherwise: 0 },
    'How long after one plot the next one is started at the earliest.',
  ),
  grace_seconds: wholeNumber(
    { from: 0, to: HOUR, otherwise: 30 },
    'How long a plotter that is stopped gets to end by itself before it is killed.',
  ),
  keep_logs_days: wholeNumber(
    { from: 0, to: 3650, otherwise: 90 },
    'How long the logs of plots are kept that are over; 0 keeps them for ever.',
  ),
  quiet_seconds: wholeNumber(
    { from: 0, to: 7 * DAY, otherwise: 6 * HOUR },
    'How long a plotter may print nothing before its task says so; 0 says nothing.',
  ),
};

/** Its sections stand at the top of the file, where they were before there were other systems. */
export const talentSection = configSection(
  z.strictObject({
    leases: z.strictObject(LEASES).prefault({}),
    supervisor: z.strictObject(SUPERVISOR).prefault({}),
    /** By name. Not a setting with a default, but a table: in the file only. */
    plotters: z
      .record(Name, Plotter, { error: ({ code }) => (code === 'invalid_key' ? NAME_RULE : PLOTTERS_RULE) })
      .default(() => ({})),
  }),
);

/** Durations are seconds, as their names say. */
export type TalentConfig = ReturnType<typeof talentSection.parse>;
