/** Orders whose answer may be lost. */

import { UnreachableError } from '../wire/call-error.js';

/**
 * An order whose answer was lost may have been carried out: whoever gave it must look before giving it again.
 * @param look the command that tells, `owl plot status task_1`
 */
export async function sayIfUnknown<T>(look: string, order: () => Promise<T>): Promise<T> {
  try {
    return await order();
  } catch (error) {
    if (!(error instanceof UnreachableError) || !error.mayHaveArrived) throw error;
    throw new UnreachableError(`${error.message}\nwhether it was done is unknown; \`${look}\` tells`, true);
  }
}
