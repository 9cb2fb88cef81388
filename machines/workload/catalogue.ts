/**
 * The catalogue: where datasets from outside are entered, under names that none of them has already. There is one of it.
 *
 * What it guarantees:
 * - datasets of one order are entered together or not at all;
 * - each has a number, counted from 0: an order begins where the one before it ended.
 *
 * Whether a name is taken is asked of the read model, and the number at which an order begins says that it was asked of all before
 * it. What becomes of a dataset then is its own (dataset.ts).
 */

import { assign, type SnapshotFrom, setup } from 'xstate';
import {
  type EventSchemas,
  type EventsOf,
  listOf,
  record,
  textUpTo,
} from '../../src/runtime/event-store/event-schema.js';

/** Datasets that one order enters. */
export const MOST_DATASETS_OF_AN_ORDER = 1_000;

export const CATALOGUE_EVENTS = {
  DatasetsEntered: {
    version: 1,
    fields: {
      first: 'integer',
      datasets: listOf(
        record({ uid: 'text', name: textUpTo(510), storage_url: 'text?', expected_files: 'integer?' }),
        { most: MOST_DATASETS_OF_AN_ORDER },
      ),
    },
  },
} as const satisfies EventSchemas;

export type CatalogueEvent = EventsOf<typeof CATALOGUE_EVENTS>;

export interface CatalogueContext {
  /** Datasets that were entered, and so the number of the next. */
  readonly entered: number;
}

const catalogueSetup = setup({
  types: {} as { context: CatalogueContext; events: CatalogueEvent },
  guards: {
    isNext: ({ context, event }) => event.data.first === context.entered && event.data.datasets.length > 0,
  },
  actions: {
    enter: assign(({ context, event }) => ({ entered: context.entered + event.data.datasets.length })),
  },
});

export const catalogueMachine = catalogueSetup.createMachine({
  id: 'wl_catalogue',
  context: { entered: 0 },
  initial: 'open',
  states: { open: { on: { DatasetsEntered: { guard: 'isNext', actions: 'enter' } } } },
});

export type CatalogueSnapshot = SnapshotFrom<typeof catalogueMachine>;
