/** What can be configured of workloads: the leases and limits of the service, and what the pilot of this machine does. */

import { z } from 'zod';
import { configSection, meant, wholeNumber } from '../../node/config/config-section.js';
import { DEVICES } from './devices.js';
import { EXECUTABLES_RULE, Executable, ExecutableName } from './machine/executables.js';
import { BROKER_RULE, isBrokerUrl } from './wire/amqp/broker-address.js';
import { QUEUE_TYPES } from './wire/amqp/topology.js';

const HOUR = 3600;
const DAY = 24 * HOUR;

const WHEN_STOPPED = ['go_on', 'end'] as const;
const VERIFY = ['always', 'first', 'never'] as const;

const PILOT_NAME_RULE =
  'must be 1 to 64 letters, digits, dots, dashes or underscores, and begin with a letter or digit';
const ROOTS_RULE = 'must be a list of paths';

const PILOT = {
  name: meant(
    z
      .string(PILOT_NAME_RULE)
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, PILOT_NAME_RULE)
      .optional(),
    {
      rule: PILOT_NAME_RULE,
      meaning: 'What the pilot of this machine is called. Left out: the name of the machine and its device.',
    },
  ),
  device: meant(z.enum(DEVICES, `must be one of ${DEVICES.join(', ')}`).default('cpu'), {
    rule: `must be one of ${DEVICES.join(', ')}`,
    meaning: 'The kind of jobs that it takes.',
  }),
  slots: wholeNumber({ from: 1, to: 1024, otherwise: 1 }, 'Jobs that it runs at the same time.'),
  memory_mib: wholeNumber(
    { from: 0, to: 16 * 1024 * 1024, otherwise: 0 },
    'Memory that its jobs may ask for in all; 0: what a job asks for is not looked at.',
  ),
  grace_seconds: wholeNumber(
    { from: 0, to: HOUR, otherwise: 10 },
    'How long a payload that is stopped gets to end by itself before it is killed.',
  ),
  looping_seconds: wholeNumber(
    { from: 0, to: 7 * DAY, otherwise: 2 * HOUR },
    'How long a payload may neither print nor compute before it is ended as looping; 0: for ever.',
  ),
  log_limit_mib: wholeNumber(
    { from: 1, to: 1024, otherwise: 64 },
    'How much a payload may print before it is ended.',
  ),
  when_stopped: meant(z.enum(WHEN_STOPPED, `must be one of ${WHEN_STOPPED.join(', ')}`).default('go_on'), {
    rule: `must be one of ${WHEN_STOPPED.join(', ')}`,
    meaning:
      'What becomes of jobs that run when the pilot is told to end: they go on, for the next pilot of its name to take over, or they are ended and tried again elsewhere.',
  }),
  verify: meant(z.enum(VERIFY, `must be one of ${VERIFY.join(', ')}`).default('always'), {
    rule: `must be one of ${VERIFY.join(', ')}`,
    meaning:
      'When the check sums of inputs are looked at: always, at the first attempt of a job, or never (their sizes always are).',
  }),
};

const FILE_RULE = 'must be a path';
const QUEUE_TYPES_RULE = `must be one of ${QUEUE_TYPES.join(', ')}`;

const BROKER = {
  broker: meant(z.string(BROKER_RULE).refine(isBrokerUrl, BROKER_RULE).optional(), {
    rule: BROKER_RULE,
    meaning: 'The RabbitMQ that jobs and reports go through. Left out: none is needed, pilots speak gRPC.',
  }),
  broker_password_file: meant(z.string(FILE_RULE).min(1, FILE_RULE).optional(), {
    rule: FILE_RULE,
    meaning: 'Its first line is the password at the broker. Left out: the one of guest.',
    isPath: true,
  }),
  broker_ca_file: meant(z.string(FILE_RULE).min(1, FILE_RULE).optional(), {
    rule: FILE_RULE,
    meaning:
      'Authorities that the certificate of an amqps broker is of, where it is none that everybody believes.',
    isPath: true,
  }),
  queue_type: meant(z.enum(QUEUE_TYPES, QUEUE_TYPES_RULE).default('classic'), {
    rule: QUEUE_TYPES_RULE,
    meaning: 'Of the queues at the broker: quorum where it has several nodes.',
  }),
};

export const workloadSection = configSection(
  z.strictObject({
    workload: z
      .strictObject({
        lease_seconds: wholeNumber(
          { from: 1, to: HOUR, otherwise: 60 },
          'How long a pilot may be silent before it counts as lost.',
        ),
        give_up_seconds: wholeNumber(
          { from: 1, to: 7 * DAY, otherwise: 600 },
          'How long it stays lost before its jobs are given to others.',
        ),
        margin_seconds: wholeNumber(
          { from: 1, to: HOUR, otherwise: 60 },
          'How long before that a pilot has ended what it runs, by itself.',
        ),
        grace_seconds: wholeNumber(
          { from: 0, to: HOUR, otherwise: 10 },
          'How long a payload that is cancelled gets to end by itself before it is killed.',
        ),
        split_window: wholeNumber(
          { from: 1, to: 1_000_000, otherwise: 10_000 },
          'Jobs of a device that may wait before no more are made of tasks.',
        ),
        requeue_seconds: wholeNumber(
          { from: 1, to: DAY, otherwise: 120 },
          'How long a job may be queued while slots are free before its hint is sent again.',
        ),
        unknown_after_seconds: wholeNumber(
          { from: 1, to: 7 * DAY, otherwise: 600 },
          'How long a job waits for a pilot that has its executable before it fails.',
        ),
        max_losses: wholeNumber(
          { from: 0, to: 100, otherwise: 5 },
          'How often a job may be lost by machines before it fails; its own failures are counted apart.',
        ),
        storage_roots: meant(z.array(z.string(ROOTS_RULE).min(1, ROOTS_RULE), ROOTS_RULE).optional(), {
          rule: ROOTS_RULE,
          meaning:
            "Directories below which files are read and written. Left out: whatever owl's user may, and a node that others can reach does not start (see docs/security.md).",
          isPath: true,
        }),
        ...BROKER,
        pilot: z.strictObject(PILOT).prefault({}),
        /** By name: what the pilot of this machine may run. In the file only. */
        executables: z
          .record(ExecutableName, Executable, { error: () => EXECUTABLES_RULE })
          .default(() => ({})),
      })
      .prefault({}),
  }),
);

/** Durations are seconds, as their names say. */
export type WorkloadConfig = ReturnType<typeof workloadSection.parse>;

/** As parts of the service work with it. */
export type ServedWorkload = WorkloadConfig['workload'] & { readonly storage_roots: readonly string[] };

/** With roots where none are said. Whose node others reach has said them. */
export function withRoots(workload: WorkloadConfig['workload']): ServedWorkload {
  return { ...workload, storage_roots: workload.storage_roots ?? ['/'] };
}
