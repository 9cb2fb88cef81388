#!/usr/bin/env node
/**
 * Plays a recorded plotter log, for demos and tests: no plot is made. Towards whoever runs it, it is a plotter: it prints
 * line by line, keeps temporary files while it works, and ends with a file in its final place and an exit code, or by a
 * signal.
 *
 * Guarantees: the lines come evenly over the time asked for, in as few writes as that allows, so that one machine has room
 * for hundreds of players; temporary files go when the plot is finished, and are left behind when it is not, as a plotter
 * leaves them.
 */

import {
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { type Recording, readRecording } from './recording.js';
import { readSettings, type Settings, USAGE, UsageError } from './settings.js';

const STDOUT = 1;
const STDERR = 2;
const EXIT_USAGE = 2;
/** Nobody reads faster. */
const SHORTEST_PAUSE_MS = 20;

async function play(settings: Settings): Promise<void> {
  const { log, replacements, seconds, speed, exitCode, signal } = settings;
  const recording = readRecording(readFileSync(log), replacements);
  const files = temporaryFiles(settings, recording);
  for (const file of files) writeFileSync(file, 'a temporary file of the player\n');

  writeSync(
    STDOUT,
    'player: this is the log of another plot, played for a demo or a test; no plot is made\n',
  );
  const lines = recording.lines.slice(0, settings.lines);
  const durationMs = 1000 * (seconds ?? (speed > 0 ? recording.seconds / speed : 0));
  const msPerLine = lines.length === 0 ? 0 : durationMs / lines.length;
  const pauseAt = Math.min(settings.pause?.at ?? lines.length, lines.length);
  await print(lines.slice(0, pauseAt), msPerLine);
  while (settings.pause !== undefined && !existsSync(settings.pause.until)) await pause(SHORTEST_PAUSE_MS);
  await print(lines.slice(pauseAt), msPerLine);

  const isFinished = lines.length === recording.lines.length && exitCode === 0 && signal === undefined;
  if (isFinished) finish(files, finalFile(settings, recording), settings.bytes);
  if (signal !== undefined) return await endBy(signal);
  process.exitCode = exitCode;
}

/** Named after the plot, so that those of several plots are told apart in one directory. */
function temporaryFiles({ replacements }: Settings, { fileName = 'player.plot' }: Recording): string[] {
  const { tempDir, temp2Dir } = replacements;
  if (tempDir === undefined || temp2Dir === undefined) return [];
  return [
    join(tempDir, `${fileName}.table1.tmp`),
    join(tempDir, `${fileName}.sort.tmp`),
    join(temp2Dir, `${fileName}.2.tmp`),
  ];
}

function finalFile({ finalFile, replacements }: Settings, { fileName }: Recording): string | undefined {
  if (finalFile !== undefined || replacements.finalDir === undefined || fileName === undefined)
    return finalFile;
  return join(replacements.finalDir, fileName);
}

function finish(files: readonly string[], final: string | undefined, bytes: number | undefined): void {
  for (const file of files) rmSync(file, { force: true });
  if (final === undefined) return;
  // As plotters do, so that nobody ever sees half a plot under its final name.
  writeFileSync(`${final}.tmp`, 'the player made this file; it is no plot\n');
  if (bytes !== undefined) truncateSync(`${final}.tmp`, bytes);
  renameSync(`${final}.tmp`, final);
}

/** Line k is due k times `msPerLine` after the begin; what is due is written at once. */
async function print(lines: readonly string[], msPerLine: number): Promise<void> {
  const begin = performance.now();
  let printed = 0;
  while (printed < lines.length) {
    const passed = performance.now() - begin;
    const due = msPerLine > 0 ? Math.min(Math.floor(passed / msPerLine), lines.length) : lines.length;
    if (due > printed) write(lines.slice(printed, due).join(''));
    printed = due;
    if (printed < lines.length) await pause(Math.max((printed + 1) * msPerLine - passed, SHORTEST_PAUSE_MS));
  }
}

/** All of it, also where the system takes it in pieces. */
function write(text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  for (let written = 0; written < bytes.length; ) written += writeSync(STDOUT, bytes, written);
}

/** Never resolves: the signal ends the process before. */
async function endBy(signal: NodeJS.Signals): Promise<never> {
  process.kill(process.pid, signal);
  for (;;) await pause(1_000);
}

async function main(args: readonly string[]): Promise<void> {
  try {
    const settings = readSettings(args);
    if (settings.stubborn) process.on('SIGTERM', () => undefined);
    await play(settings);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    writeSync(STDERR, `player: ${message}\n${error instanceof UsageError ? USAGE : ''}`);
    process.exitCode = error instanceof UsageError ? EXIT_USAGE : 1;
  }
}

await main(process.argv.slice(2));
