/** Rooms below the systems know none of them: outside of comments, where one may be an example, they have no word of it. */

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { PACKAGE_ROOT } from '../../src/base/package-root.js';

const ROOMS = ['src/base', 'src/runtime', 'src/wire', 'src/processes', 'src/node', 'src/cli'];
const FILES = ['src/run.ts', 'src/program.ts', 'src/owl.ts'];
const WORDS = /plot|talent|supervisor|ksize/i;
/** A comment, or a text in which something that looks like one may stand. */
const PIECES = /\/\*[\s\S]*?\*\/|\/\/.*|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;

const withoutComments = (code: string) =>
  code.replace(PIECES, (piece) => (piece.startsWith('/') ? '' : piece));

t.test('a comment is left out, and a text is not', async (t) => {
  t.equal(
    withoutComments("a // plot\n/* talent */ b 'http://plot' `// plot`"),
    "a \n b 'http://plot' `// plot`",
  );
});

t.test('no room below the systems has a word of one', async (t) => {
  const inRooms = ROOMS.flatMap((room) =>
    readdirSync(join(PACKAGE_ROOT, room), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(room, name)),
  );
  t.ok(inRooms.length > 100);
  for (const file of [...FILES, ...inRooms]) {
    const lines = withoutComments(readFileSync(join(PACKAGE_ROOT, file), 'utf8')).split('\n');
    t.same(
      lines.filter((line) => WORDS.test(line)),
      [],
      file,
    );
  }
});
