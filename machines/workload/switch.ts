/**
 * The life of a switch: a part of the service that is on, or that somebody has switched off.
 *
 *   on ⇄ off, first with what is under way, then settled
 *
 * What it guarantees: one that nobody has touched is on; switched off once more it stays off, as strictly as it was wanted last, and is
 * to be settled anew; settled means that nothing of what it forbids follows in the whole store until it is on again.
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import type { EventSchemas, EventsOf } from '../../src/runtime/event-store/event-schema.js';

export const SWITCH_EVENTS = {
  SwitchedOff: {
    version: 1,
    fields: {
      /** `splitter` or `executor`. */
      switch: 'text',
      reason: 'text?',
      /** Of the executor: what is queued already is not granted either. */
      strict: 'boolean?',
    },
  },
  /** What was under way when it was switched off has ended, says the node that runs it. */
  SwitchSettled: { version: 1, fields: { switch: 'text' } },
  SwitchedOn: { version: 1, fields: { switch: 'text', reason: 'text?' } },
} as const satisfies EventSchemas;

export type SwitchEvent = EventsOf<typeof SWITCH_EVENTS>;

export interface SwitchContext {
  readonly strict: boolean;
  /** Off, and nothing that it forbids is under way any more. */
  readonly settled: boolean;
}

const switchSetup = setup({
  types: {} as { context: SwitchContext; events: SwitchEvent },
  actions: {
    off: assign(({ event }) =>
      event.type === 'SwitchedOff' ? { strict: event.data.strict === true, settled: false } : {},
    ),
    settled: assign({ settled: true }),
    on: assign({ strict: false, settled: false }),
  },
});

export const switchMachine = switchSetup.createMachine({
  id: 'wl_switch',
  context: { strict: false, settled: false },
  initial: 'on',
  states: {
    on: { on: { SwitchedOff: { target: 'off', actions: 'off' } } },
    off: {
      on: {
        SwitchedOff: { target: 'off', actions: 'off' },
        SwitchSettled: { actions: 'settled' },
        SwitchedOn: { target: 'on', actions: 'on' },
      },
    },
  },
});

export type SwitchSnapshot = SnapshotFrom<typeof switchMachine>;
