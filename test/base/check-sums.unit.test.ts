/** Sums of what a file gives in pieces of any size, with and without knowing how much it is. */

import { createHash, randomBytes } from 'node:crypto';
import t from 'tap';
import { sumsOf } from '../../src/base/check-sums.js';

const { signal } = new AbortController();
const MIB = 1024 * 1024;

/** Gives no more than so much at once. */
function sourceOf(content: Buffer, most: number) {
  let at = 0;
  return {
    async read(buffer: Buffer, offset: number, length: number) {
      const bytesRead = content.copy(buffer, offset, at, at + Math.min(length, most));
      at += bytesRead;
      return { bytesRead };
    },
  };
}

t.test('all that there is is read, whatever comes at once and whatever was expected', async (t) => {
  const content = randomBytes(MIB + MIB / 2);
  const sha256 = createHash('sha256').update(content).digest('hex');
  for (const expected of [undefined, 0, 1, MIB, content.length, 2 * MIB])
    for (const most of [MIB / 2, MIB, 4 * MIB]) {
      const options = expected === undefined ? {} : { expectedBytes: expected };
      const { size, sha256: found } = await sumsOf(sourceOf(content, most), signal, options);
      // One that gives less than there is room for, and has given what was expected, has given all.
      const isTaken = expected === MIB && most === MIB / 2;
      t.same(
        [size, found === sha256],
        isTaken ? [MIB, false] : [content.length, true],
        `${expected}, ${most}`,
      );
    }
});
