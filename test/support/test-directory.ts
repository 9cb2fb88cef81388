/**
 * A directory for a test that outlives what the test tears down. tap's own is removed before the teardowns run when it was
 * asked for before the first of them: then whoever looks there for what is left finds nothing.
 */

import type { Test } from 'tap';

/** @param content as tap has it */
export function testDirectory(t: Test, content: Parameters<Test['testdir']>[0] = {}): string {
  t.teardown(() => undefined);
  return t.testdir(content);
}
