/** What reactors and loops make of a refusal: things have moved on, and what has moved them says what follows. */

import { OwlError } from './errors.js';

export async function unlessRefused(work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof OwlError) || error.kind !== 'refused') throw error;
  }
}
