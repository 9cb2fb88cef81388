/** What a task says of what its jobs run, and a single job of itself: the same fields, by the same rules. */

import { InvalidFieldError } from '../../../../base/errors.js';
import type * as rules from '../../../../base/field-rules.js';
import { wordsOf } from '../../../../base/words.js';
import { explicit, oneOf, text, whole } from '../../../../node/operations/fields.js';
import { DEVICES } from '../../devices.js';
import { isStorageUrl } from '../../storage-url.js';

const LONGEST_URL = 255;

/** A name: what it stands for only a pilot knows. */
const EXECUTABLE = /^[A-Za-z0-9][A-Za-z0-9._-]{0,49}$/;
const isExecutable: rules.TextRule = (value) =>
  EXECUTABLE.test(value)
    ? undefined
    : 'must be 1 to 50 letters, digits, dots, dashes or underscores, and begin with a letter or digit: the name of an executable that pilots declare, never a path';

const isArgs: rules.TextRule = (value) => {
  try {
    wordsOf(value);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidFieldError) return error.rule;
    throw error;
  }
};

export const rank = whole(-32_768, 32_767, { description: 'Larger first.' });
/** All of its rules but one: whether it lies below the roots that the node is configured with. */
export const storageUrl = text(isStorageUrl(['/']), {
  maxLength: LONGEST_URL,
  description: 'file:/// and an absolute path below workload.storage_roots.',
});

export const PAYLOAD = {
  executable: text(isExecutable, { maxLength: 50, pattern: EXECUTABLE.source }),
  args: text(isArgs, { maxLength: 255, description: 'Words with quotes; no shell reads them.' }).optional(),
  rank: rank.optional(),
  device_type: oneOf(DEVICES),
  mode: oneOf(['map', 'merge']),
  retries: explicit(whole(0, 100, { description: 'Default 3.' })),
  timeout_seconds: explicit(whole(1, 31_536_000)),
  memory_mib: explicit(whole(1, 16 * 1024 * 1024)),
};
export const USUAL_RETRIES = 3;
