/** Which disk a path led to, kept over restarts, boots and what goes wrong with the file. */

import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { hasLostDisk, KnownPlaces, PlaceLostError } from '../../src/processes/places.js';
import { logLines } from '../support/log-lines.js';

const DISK = { fileSystem: 2, mountPoint: '/farm/1' };
const ROOT = { fileSystem: 1, mountPoint: '/' };
const PATH = '/farm/1/plots';

function placesIn(path: string, boot: { readonly bootId: string | undefined } = { bootId: 'this' }) {
  const { logger, messages } = logLines();
  return { places: new KnownPlaces({ path, ...boot, logger }), lines: messages };
}

t.test(
  'whoever comes after knows what was seen, and what is mounted in its place is what was meant',
  async (t) => {
    const file = join(t.testdir(), 'places.json');
    const { places } = placesIn(file);
    places.note(PATH, DISK);
    places.note('/elsewhere', ROOT);
    t.notOk(existsSync(file));
    places.keep();
    t.throws(() => placesIn(file).places.note(PATH, ROOT), {
      kind: 'unavailable',
      message: new RegExp(
        `^is on another file system than .* \\(then /farm/1 was mounted\\).*or remove ${file} if`,
      ),
    });
    placesIn(file).places.note(PATH, { ...DISK, fileSystem: 7 });
    placesIn(file).places.note('/elsewhere', { fileSystem: 9, mountPoint: '/elsewhere' });
    const gone = Object.assign(new Error('gone'), { code: 'ENOENT' });
    t.match(placesIn(file).places.explain(PATH, gone), PlaceLostError);
    t.equal(placesIn(file).places.explain('/never/seen', gone), gone);
  },
);

t.test('after a boot a number means nothing, and a mount point what it did', async (t) => {
  const file = join(t.testdir(), 'places.json');
  const { places } = placesIn(file);
  places.note(PATH, DISK);
  places.keep();
  for (const bootId of ['next', undefined]) {
    const look = (found: typeof DISK) => () => placesIn(file, { bootId }).places.note(PATH, found);
    // The disk of the system has the number now that was the other one's.
    t.throws(look({ ...ROOT, fileSystem: DISK.fileSystem }), PlaceLostError);
    t.doesNotThrow(look({ ...DISK, fileSystem: 8 }));
  }
});

t.test('whoever removes the file says that all is meant to be as it is', async (t) => {
  const file = join(t.testdir(), 'places.json');
  const { places, lines } = placesIn(file);
  places.note(PATH, DISK);
  t.throws(() => places.note(PATH, ROOT), PlaceLostError, 'it was not written yet');
  places.keep();
  t.throws(() => places.note(PATH, ROOT), PlaceLostError);
  rmSync(file);
  places.note(PATH, ROOT);
  t.match(lines('info'), [/was removed, and counts no more/]);
  places.keep();
  t.match(JSON.parse(readFileSync(file, 'utf8')), { places: [{ path: PATH, mount_point: '/' }] });
});

t.test('a file that can not be written or read is told once, and keeps nobody from looking', async (t) => {
  const directory = t.testdir({ there: {} });
  const missing = placesIn(join(directory, 'missing', 'places.json'));
  missing.places.note(PATH, DISK);
  missing.places.keep();
  missing.places.keep();
  t.match(missing.lines('error'), { length: 1, 0: /could not be written down; trying again/ });
  t.throws(() => missing.places.note(PATH, ROOT), PlaceLostError, 'it is known all the same');
  mkdirSync(join(directory, 'missing'));
  missing.places.keep();
  t.ok(existsSync(join(directory, 'missing', 'places.json')));

  for (const content of ['', '{"places":', '[]', '{"places":[{"path":1}]}', 'null']) {
    const file = join(directory, 'there', 'places.json');
    writeFileSync(file, content);
    const { places, lines } = placesIn(file);
    t.match(lines('error'), [/led to before can not be read/], content);
    places.note(PATH, DISK);
    places.keep();
    t.throws(() => placesIn(file).places.note(PATH, { fileSystem: 3, mountPoint: '/other' }), PlaceLostError);
    rmSync(file);
  }
});

t.test('it is written when something has changed, and only then', async (t) => {
  const file = join(t.testdir(), 'places.json');
  const { places } = placesIn(file);
  places.note(PATH, DISK);
  places.keep();
  chmodSync(file, 0o640);
  const before = readFileSync(file, 'utf8');
  writeFileSync(file, 'as somebody has left it');
  places.note(PATH, DISK);
  places.keep();
  t.equal(readFileSync(file, 'utf8'), 'as somebody has left it');
  places.note(PATH, { ...DISK, fileSystem: 3 });
  places.keep();
  t.not(readFileSync(file, 'utf8'), before);
});

t.test('a disk is gone when nothing is mounted there any more, and not because a directory is', async (t) => {
  const directory = t.testdir();
  const missing = join(directory, 'missing');
  t.equal(await hasLostDisk('/dev/shm', '/dev/shm'), false);
  t.equal(await hasLostDisk('/dev/shm', '/dev'), false, 'another was mounted over it');
  t.equal(await hasLostDisk(directory, directory), true);
  t.equal(await hasLostDisk(directory, '/'), false);
  t.equal(await hasLostDisk(missing, missing), true);
  t.equal(await hasLostDisk(missing, '/'), false);
  t.equal(await hasLostDisk('/dev/shm/missing-here', '/dev/shm'), false);
});
