/** What stands for a message that was too large to be decoded (request-sizes.ts). */

import type { OwlError } from '../../base/errors.js';

export class TooLargeRequest {
  readonly error: OwlError;

  constructor(error: OwlError) {
    this.error = error;
  }
}
