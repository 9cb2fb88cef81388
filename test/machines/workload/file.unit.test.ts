/** Files: what a job was to write is there once it is, and what is there keeps its content. */

import t from 'tap';
import { FILE_EVENTS, type FileEvent, fileMachine } from '../../../machines/workload/file.js';
import type { ActorType } from '../../../src/runtime/actors/actor-type.js';
import { happens, specificationOf } from '../../support/given.js';
import { checkEveryState } from './state-table.js';

const file: ActorType<typeof fileMachine> = {
  category: 'wl_file',
  version: 1,
  machine: fileMachine,
  events: FILE_EVENTS,
};

const registered = (declared: boolean, more: object = {}): FileEvent => ({
  type: 'FileRegistered',
  data: { dataset_uid: 'd', idx: 0, file_name: 'a', path: '/data/a', declared, ...more },
});
const CONTENT = { size: '12', check_sum: '11111111-1111-1111-1111-111111111111', sha256: 'ab' };
const AVAILABLE: FileEvent = {
  type: 'FileAvailable',
  data: { file_name: 'a.r0', path: '/out/a.r0', ...CONTENT, job: 'j', attempt: 1 },
};
const FAILED: FileEvent = { type: 'FileFailed', data: { reason: 'its job failed' } };
const VERIFIED: FileEvent = { type: 'FileVerified', data: CONTENT };

checkEveryState({
  type: file,
  examples: [
    registered(false),
    AVAILABLE,
    { type: 'FileMissing', data: { detail: 'not there' } },
    { type: 'FileCorrupt', data: { detail: 'another size', found_size: '11' } },
    VERIFIED,
    FAILED,
    { type: 'FileDiscarded', data: { reason: 'cancelled' } },
    { type: 'FileDeclaredAgain', data: { reason: 'its job is retried' } },
    { type: 'FileRestored', data: { reason: 'copied again' } },
  ],
  given: {
    absent: [],
    declared: [registered(true)],
    available: [registered(false)],
    missing: [registered(false), 'FileMissing'],
    corrupt: [registered(false), 'FileCorrupt'],
    failed: [registered(true), FAILED],
    discarded: [registered(true), 'FileDiscarded'],
  },
  after: {
    absent: { FileRegistered: 'available' },
    declared: { FileAvailable: 'available', FileFailed: 'failed', FileDiscarded: 'discarded' },
    available: {
      FileMissing: 'missing',
      FileCorrupt: 'corrupt',
      FileVerified: 'available',
      FileDiscarded: 'discarded',
    },
    missing: {
      FileMissing: 'missing',
      FileCorrupt: 'corrupt',
      FileRestored: 'available',
      FileDiscarded: 'discarded',
    },
    corrupt: {
      FileMissing: 'missing',
      FileCorrupt: 'corrupt',
      FileRestored: 'available',
      FileDiscarded: 'discarded',
    },
    failed: { FileDeclaredAgain: 'declared', FileDiscarded: 'discarded' },
    discarded: {},
  },
});

const given = specificationOf(file);

t.test('what is known of its content is not told anew', async (t) => {
  for (const known of [
    [registered(false, CONTENT)],
    [registered(true), AVAILABLE],
    [registered(false), VERIFIED],
  ])
    given(known)
      .when(happens(VERIFIED))
      .then(t, { kind: 'refused', message: /is not possible/ });
});

t.test('a job that is retried writes other content', async (t) => {
  given([
    registered(true),
    FAILED,
    { type: 'FileDeclaredAgain', data: { reason: 'retried' } },
    AVAILABLE,
  ]).leadsTo(t, { value: 'available', context: { size: '12', checkSum: CONTENT.check_sum } });
});
