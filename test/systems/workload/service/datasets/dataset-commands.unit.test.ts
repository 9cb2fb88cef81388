/** What may be wanted of the catalogue, of datasets and of files, without a store. */

import t from 'tap';
import type { CatalogueEvent } from '../../../../../machines/workload/catalogue.js';
import type { DatasetEvent } from '../../../../../machines/workload/dataset.js';
import type { FileEvent } from '../../../../../machines/workload/file.js';
import {
  abortCancelled,
  abortWritten,
  addFiles,
  close,
  declareFiles,
  enter,
  registerDataset,
  requestCancel,
  seal,
  sealWritten,
} from '../../../../../src/systems/workload/service/datasets/dataset-commands.js';
import {
  catalogue,
  dataset,
  file,
} from '../../../../../src/systems/workload/service/datasets/dataset-types.js';
import {
  availableFrom,
  declareAgain,
  findCorrupt,
  findMissing,
  findWhole,
  ofDeclared,
  registerFile,
} from '../../../../../src/systems/workload/service/datasets/file-commands.js';
import { specificationOf } from '../../../../support/given.js';

const UID = 'd1';
const named = (name: string) => ({ name, path: name });
const registered = (more = {}): DatasetEvent => ({
  type: 'DatasetRegistered',
  data: { name: 'run', ...more },
});
const added = (first_idx: number, names: readonly string[]): DatasetEvent => ({
  type: 'DatasetFilesAdded',
  data: { first_idx, declared: false, files: names.map(named) },
});
const sealed = (files: number, more = {}): DatasetEvent => ({
  type: 'DatasetSealed',
  data: { files, ...more },
});
const closed = (available: number, failed: number, complete: boolean): DatasetEvent => ({
  type: 'DatasetClosed',
  data: { files_available: available, files_failed: failed, bytes: '7', complete },
});
const aborted: DatasetEvent = { type: 'DatasetAborted', data: { reason: 'wrong' } };
const WRITTEN = registered({ producer_task: 't1', produces: 'output' });
const given = specificationOf(dataset);
const add = (names: readonly string[], counted: number) => ({
  decide: (snapshot: Parameters<typeof addFiles>[0]) => addFiles(snapshot, UID, names.map(named), counted),
});

t.test('a batch is added where names were looked up, or not at all', async (t) => {
  given([registered()])
    .when(add(['a', 'b'], 0))
    .then(
      t,
      { events: [added(0, ['a', 'b'])], answer: { added: 2, first_idx: 0, files: 2 } },
      { value: 'open' },
    );
  given([registered(), added(0, ['a'])])
    .when(add(['b'], 0))
    .then(t, { kind: 'conflict', message: `others add to dataset ${UID} at the same time; ask again` });
  given([])
    .when(add(['a'], 0))
    .then(t, { kind: 'not_found', message: `there is no dataset ${UID}` });
  for (const end of [[sealed(0)], [sealed(0), closed(0, 0, true)], [aborted]])
    given([registered(), ...end])
      .when(add(['a'], 0))
      .then(t, { kind: 'refused', message: /it takes no files any more$/ });
  given([WRITTEN])
    .when(add(['a'], 0))
    .then(t, { kind: 'refused', message: `dataset ${UID} is written by task t1: its jobs alone add to it` });
});

t.test('the last file that was expected seals, and none comes behind it', async (t) => {
  const three = registered({ expected_files: 3 });
  const all = sealed(3, { reason: 'all files that were expected are there' });
  given([three, added(0, ['a'])])
    .when(add(['b', 'c'], 1))
    .then(
      t,
      { events: [added(1, ['b', 'c']), all], answer: { added: 2, first_idx: 1, files: 3 } },
      { value: 'sealed' },
    );
  given([three, added(0, ['a'])])
    .when(add(['b', 'c', 'd'], 1))
    .then(t, { kind: 'refused', message: `dataset ${UID} expects 3 files and has 1; 3 more are too many` });
});

t.test('closing seals once; with fewer files than expected only by force', async (t) => {
  const order =
    (force = false, reason?: string) =>
    (snapshot: Parameters<typeof seal>[0]) =>
      seal(snapshot, UID, { force, reason });
  given([registered(), added(0, ['a'])])
    .when(order(false, 'done'))
    .then(t, [sealed(1, { reason: 'done' })]);
  given([registered()])
    .when(order())
    .then(t, [sealed(0)]);
  given([registered(), sealed(0)])
    .when(order())
    .then(t, []);
  given([registered(), sealed(0), closed(0, 0, true)])
    .when(order())
    .then(t, []);
  given([registered(), aborted])
    .when(order())
    .then(t, { kind: 'refused', message: /is aborted/ });
  given([])
    .when(order())
    .then(t, { kind: 'not_found', message: /there is no dataset/ });
  given([WRITTEN])
    .when(order(true))
    .then(t, { kind: 'refused', message: /it is closed with its task$/ });
  const few = given([registered({ expected_files: 3 }), added(0, ['a'])]);
  few.when(order()).then(t, {
    kind: 'refused',
    message: `dataset ${UID} expects 3 files and has 1; force closes it with those`,
  });
  few.when(order(true)).then(t, [sealed(1)]);
});

t.test('it is closed once, and only by a count of all its files', async (t) => {
  const counts = (available: number, failed: number) => close({ files: 2, available, failed, bytes: 7 });
  const whole = given([registered(), added(0, ['a', 'b']), sealed(2)]);
  whole.when(counts(2, 0)).then(t, [closed(2, 0, true)]);
  whole.when(counts(1, 1)).then(t, [closed(1, 1, false)]);
  whole.when(counts(1, 0)).then(t, []);
  whole.when(close({ files: 1, available: 1, failed: 0, bytes: 7 })).then(t, []);
  given([registered(), added(0, ['a', 'b'])])
    .when(counts(2, 0))
    .then(t, []);
  given([registered(), added(0, ['a', 'b']), sealed(2), closed(1, 1, false)])
    .when(counts(2, 0))
    .then(t, []);
});

t.test('a task declares, seals and aborts what it writes, and told again it changes nothing', async (t) => {
  const declared = (first_idx: number, names: readonly string[]): DatasetEvent => ({
    type: 'DatasetFilesAdded',
    data: { first_idx, declared: true, files: names.map(named) },
  });
  const declare = (first: number, ...names: string[]) => declareFiles(first, names.map(named));
  given([WRITTEN])
    .when(declare(0, 'a', 'b'))
    .then(t, [declared(0, ['a', 'b'])]);
  const open = given([WRITTEN, declared(0, ['a', 'b'])]);
  open.when(declare(0, 'a', 'b')).then(t, []);
  open.when(declare(2, 'c')).then(t, [declared(2, ['c'])]);
  open.when(declare(3, 'd')).then(t, { kind: 'retryable', message: 'it has 2 files: number 3 is not next' });
  open.when(sealWritten('all is planned')).then(t, [sealed(2, { reason: 'all is planned' })]);
  open.when(abortWritten('wrong')).then(t, [aborted]);
  for (const end of [sealed(2), aborted]) {
    const after = given([WRITTEN, declared(0, ['a', 'b']), end]);
    after.when(sealWritten('again')).then(t, []);
    after.when(registerDataset({ name: 'other' })).then(t, []);
  }
  given([WRITTEN, sealed(0), closed(0, 0, true)])
    .when(abortWritten('late'))
    .then(t, []);
  given([])
    .when(registerDataset({ name: 'run' }))
    .then(t, [registered()]);
});

t.test('cancelling ends what is not closed', async (t) => {
  const order = (snapshot: Parameters<typeof requestCancel>[0]) => requestCancel(snapshot, UID, 'wrong');
  const asked: DatasetEvent = { type: 'DatasetCancelRequested', data: { reason: 'wrong' } };
  given([registered(), added(0, ['a'])])
    .when(order)
    .then(t, [asked], { value: 'cancelling' });
  given([registered(), sealed(0)])
    .when(order)
    .then(t, [asked]);
  given([registered(), aborted]).when(order).then(t, []);
  given([registered(), asked]).when(order).then(t, []);
  given([registered(), asked]).when(abortCancelled('wrong')).then(t, [aborted], { value: 'aborted' });
  for (const past of [[registered()], [registered(), asked, aborted], [registered(), sealed(0)]])
    given(past).when(abortCancelled('wrong')).then(t, []);
  given([registered(), added(0, ['a']), asked])
    .when((snapshot) => addFiles(snapshot, UID, [{ name: 'b', path: 'b' }], 1).events)
    .then(t, { kind: 'refused', message: /is cancelling: it takes no files any more$/ });
  given([registered(), asked])
    .when((snapshot) => seal(snapshot, UID, { force: true }))
    .then(t, { kind: 'refused', message: /is cancelling: it can not be closed$/ });
  given([registered(), sealed(0), closed(0, 0, true)])
    .when(order)
    .then(t, {
      kind: 'refused',
      message: `dataset ${UID}, which no living task or job reads, is closed, for ever`,
    });
  given([WRITTEN])
    .when(order)
    .then(t, { kind: 'refused', message: /it is cancelled with its task$/ });
  given([])
    .when(order)
    .then(t, { kind: 'not_found', message: /there is no dataset/ });
});

t.test('the catalogue enters what was looked up, all of it', async (t) => {
  const catalogued = specificationOf(catalogue);
  const datasets = ['a', 'b'].map((name) => ({ uid: name, name }));
  const entered: CatalogueEvent = { type: 'DatasetsEntered', data: { first: 0, datasets } };
  const order = (counted: number) => ({
    decide: (snapshot: Parameters<typeof enter>[0]) => enter(snapshot, datasets, counted),
  });
  catalogued([])
    .when(order(0))
    .then(t, { events: [entered], answer: { first: 0 } });
  catalogued([entered])
    .when(order(0))
    .then(t, { kind: 'conflict', message: 'others add to the catalogue at the same time; ask again' });
});

const SUM = '0cc175b9-c0f1-b6a8-31c3-99e269772661';
const place = { dataset_uid: UID, idx: 0, file_name: 'a', path: 'a', declared: true };
const there: FileEvent = { type: 'FileRegistered', data: { ...place, declared: false } };
const declared: FileEvent = { type: 'FileRegistered', data: place };
const written = {
  ...{ file_name: 'a', path: 't/a', size: '7', check_sum: SUM, sha256: 'ab', job: 'j1', attempt: 1 },
};
const available: FileEvent = { type: 'FileAvailable', data: written };
const begun: FileEvent = { type: 'FileRegistered', data: { ...place, ...written, declared: false } };
const failed = { type: 'FileFailed', data: { reason: 'exit code 1' } } as const;
const again: FileEvent = { type: 'FileDeclaredAgain', data: { reason: 'retried' } };
const files = specificationOf(file);

t.test('what a job says of its output counts once, in whatever order it is heard', async (t) => {
  const isWritten = availableFrom(place, written);
  files([declared]).when(isWritten).then(t, [available], { value: 'available' });
  files([])
    .when(isWritten)
    .then(t, [begun], { value: 'available', context: { checkSum: SUM, attempt: 1 } });
  files([begun]).when(isWritten).then(t, []);
  files([]).when(ofDeclared(place, failed)).then(t, [declared, failed], 'its place is taken already');
  files([begun]).when(ofDeclared(place, failed)).then(t, []);
  files([declared, available]).when(ofDeclared(place, failed)).then(t, []);
  files([declared, failed]).when(ofDeclared(place, failed)).then(t, []);
  files([declared]).when(registerFile(place)).then(t, []);
  files([]).when(registerFile(place)).then(t, [declared]);
});

t.test(
  'what a job wrote before it was retried is declared again, and what it wrote since stays',
  async (t) => {
    const retried = (attempts: number, hasFailedSince = false) =>
      declareAgain({ reason: 'retried', attempts, hasFailedSince });
    files([declared, failed]).when(retried(1)).then(t, [again], { value: 'declared' });
    files([declared, failed]).when(retried(1, true)).then(t, []);
    for (const hasFailedSince of [false, true])
      files([declared, available])
        .when(retried(1, hasFailedSince))
        .then(t, [again], { value: 'declared', context: { checkSum: null, attempt: null } });
    const missing: FileEvent = { type: 'FileMissing', data: { detail: 'gone' } };
    files([declared, available, missing]).when(retried(1)).then(t, [again], { value: 'declared' });
    files([declared, available]).when(retried(0)).then(t, []);
    files([begun])
      .when(retried(1))
      .then(t, [again], { value: 'declared', context: { checkSum: null, attempt: null } });
    files([begun]).when(retried(0)).then(t, []);
    files([there]).when(retried(1)).then(t, []);
  },
);

t.test('what is found of a file is told once, and taken back when it is whole again', async (t) => {
  const missing: FileEvent = { type: 'FileMissing', data: { detail: 'gone', job: 'j1' } };
  const corrupt: FileEvent = {
    type: 'FileCorrupt',
    data: { detail: 'other', found_size: '8', found_check_sum: SUM },
  };
  const content = { size: '7', check_sum: SUM, sha256: 'ab' };
  const restored: FileEvent = { type: 'FileRestored', data: { reason: 'it is there as it was' } };
  const verified: FileEvent = { type: 'FileVerified', data: content };
  files([there])
    .when(findMissing({ detail: 'gone', job: 'j1' }))
    .then(t, [missing]);
  files([there, missing])
    .when(findMissing({ detail: 'gone' }))
    .then(t, []);
  files([there, missing])
    .when(findCorrupt({ detail: 'other', size: '8', checkSum: SUM }))
    .then(t, [corrupt]);
  files([there, corrupt])
    .when(findCorrupt({ detail: 'other' }))
    .then(t, []);
  files([there]).when(findWhole(content)).then(t, [verified]);
  files([there, verified]).when(findWhole(content)).then(t, []);
  files([there, verified, missing]).when(findWhole(content)).then(t, [restored], { value: 'available' });
  for (const find of [findMissing({ detail: 'x' }), findCorrupt({ detail: 'x' }), findWhole(content)])
    files([declared]).when(find).then(t, [], 'nothing is there to be found');
});
