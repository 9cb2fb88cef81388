/** The lives of a dataset and of its files as their promises have them, read from their events alone. */

import type { StoredEvent } from '../stored-event.js';
import { isTrue, listOf, numberOf, type Tell, textOf } from './fields.js';

/** By what the newest event of a file says. */
const STATES: Readonly<Record<string, FileState>> = {
  FileAvailable: 'available',
  FileMissing: 'missing',
  FileCorrupt: 'corrupt',
  FileFailed: 'failed',
  FileDiscarded: 'discarded',
  FileDeclaredAgain: 'declared',
  FileRestored: 'available',
};

export type FileState = 'declared' | 'available' | 'missing' | 'corrupt' | 'failed' | 'discarded';

export class FileLife {
  dataset = '';
  idx = -1;
  state: FileState | undefined;
  size = 0;

  take(event: StoredEvent, tell: Tell): void {
    const { type, revision } = event;
    if ((revision === 0) !== (type === 'FileRegistered'))
      tell('legal-transitions', `${type} at its revision ${revision}`);
    if (this.state === 'discarded') tell('final-is-final', `${type} behind its end, discarded`);
    if (type === 'FileAvailable' && this.state !== 'declared')
      tell('final-is-final', `what is ${this.state} becomes available once more`);
    if (type === 'FileRegistered') {
      this.dataset = textOf(event, 'dataset_uid') ?? '';
      this.idx = numberOf(event, 'idx');
      this.state = isTrue(event, 'declared') ? 'declared' : 'available';
    }
    this.state = STATES[type] ?? this.state;
    const size = numberOf(event, 'size');
    if (!Number.isNaN(size)) this.size = size;
  }
}

export class DatasetLife {
  /** In it, by the batches. */
  files = 0;
  /** The task that writes it. */
  producer: string | undefined;
  /** `output`, `log` or `levels` of a task. */
  produces: string | undefined;
  end: 'closed' | 'aborted' | undefined;
  /** What was counted when it was closed. */
  counted: { readonly available: number; readonly failed: number } | undefined;
  private isSealed = false;

  take(event: StoredEvent, tell: Tell): void {
    const { type, revision } = event;
    if ((revision === 0) !== (type === 'DatasetRegistered'))
      tell('legal-transitions', `${type} at its revision ${revision}`);
    if (this.end !== undefined) tell('closed-is-last', `${type} behind its end, ${this.end}`);
    if (type === 'DatasetRegistered') {
      this.producer = textOf(event, 'producer_task');
      this.produces = textOf(event, 'produces');
    }
    if (type === 'DatasetFilesAdded') this.add(event, tell);
    else if (type === 'DatasetSealed') this.seal(event, tell);
    else if (type === 'DatasetAborted') this.end = 'aborted';
    else if (type === 'DatasetClosed') this.close(event, tell);
  }

  private add(event: StoredEvent, tell: Tell): void {
    const first = numberOf(event, 'first_idx');
    if (this.isSealed) tell('legal-transitions', 'files are added to what is sealed');
    if (first !== this.files)
      tell('file-states-add-up', `a batch begins at place ${first}, and ${this.files} files are there`);
    this.files += listOf(event, 'files').length;
  }

  private seal(event: StoredEvent, tell: Tell): void {
    const files = numberOf(event, 'files');
    if (files !== this.files)
      tell('file-states-add-up', `sealed with ${files} files, and ${this.files} are there`);
    this.isSealed = true;
  }

  private close(event: StoredEvent, tell: Tell): void {
    const [available, failed] = [numberOf(event, 'files_available'), numberOf(event, 'files_failed')];
    if (!this.isSealed) tell('legal-transitions', 'closed without being sealed');
    if (available + failed !== this.files)
      tell(
        'file-states-add-up',
        `closed with ${available} available and ${failed} failed of ${this.files} files`,
      );
    this.end = 'closed';
    this.counted = { available, failed };
  }
}
