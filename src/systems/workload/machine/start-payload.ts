/**
 * Makes the working directory of an attempt, looks at its inputs, and has its program started by the keeper.
 *
 * Guarantees: an attempt has one process, also when the keeper or the pilot died in the middle of starting it, or hangs; a start that
 * is broken off twice ends it, as of unknown end; nothing is started after the lease has ended; the program sees of the pilot's environment what is named here or in its declaration, and nothing else.
 */

import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Backoff, wait } from '../../../base/backoff.js';
import { messageOf, OwlError } from '../../../base/errors.js';
import { type Environment, processEnvironment } from '../../../processes/environment.js';
import { LOG_EXISTS } from '../../../processes/keeper/keeper-messages.js';
import { endMarked } from '../../../processes/process-family.js';
import { directoryOf } from '../storage-url.js';
import type { Grant, JobInput } from '../wire/pilot-messages.js';
import { commandFor, type ExecutableDeclaration, findProgram } from './executables.js';
import { AttemptError } from './failure.js';
import { pathsOf, stageInputs } from './inputs.js';
import type { PayloadEnvironment } from './payload-environment.js';
import type { PayloadKey, PayloadRecord, PayloadStart } from './payload-record.js';
import { whileStorageIsAway } from './storage-patience.js';
import { directoryIn, whereWritable } from './store-results.js';
import { finishWork, inputsFileOf, writtenAt } from './work-directory.js';

const MIB = 1024 * 1024;
/** A keeper that is gone is started anew within that time, as a rule, and one that answers later starts nothing more. */
const STARTS_WITHIN_MS = 10_000;
/** Beyond that: what it has begun is recorded by then. */
const RECORDED_WITHIN_MS = 2_000;
/** Whatever breaks off a start that often is in the program, presumably, which had begun each time. */
const MOST_BROKEN_STARTS = 2;

export interface AttemptToStart {
  readonly grant: Grant;
  readonly key: PayloadKey;
  readonly slot: number;
  /** It may have been granted long ago: whether that still counts is asked before it is started. */
  readonly isAskedAgain: boolean;
  readonly signal: AbortSignal;
}

/** @throws AttemptError, or the signal's reason */
export async function startPayload(attempt: AttemptToStart, env: PayloadEnvironment): Promise<PayloadRecord> {
  const { grant, key, signal } = attempt;
  const declaration = declarationOf(grant, env);
  const inputs = await inputsOf(attempt, env);
  const work = env.directory.workOf(key);
  const paths = pathsOf(inputs, join(work, 'in'));
  // Before anything is looked at: what can't be started needs no inputs.
  const argv = commandOf(attempt, declaration, paths, env);
  const { verify } = env.settings;
  const isVerified = verify === 'always' || (verify === 'first' && key.attempt === 1);
  const { storage } = env;
  const { storage_url: storageUrl = '', data_out_url: outUrl = '', data_out_seen: seenUrl = '' } = grant;
  const seen = seenUrl === '' ? undefined : directoryOf(seenUrl);
  await whileStorageIsAway(env, signal, async () => {
    // Hours later would be too late.
    await whereWritable(outUrl, () => storage.foresee(outUrl, directoryIn(grant), seen));
    env.works.make(work);
    await stageInputs({ storage, storageUrl, inputs, paths, isVerified, signal });
  });
  finishWork(work, paths);
  const start = startOf(attempt, declaration, argv, inputs.length, env);
  return await launch(start, attempt, env);
}

function declarationOf({ executable = '' }: Grant, { executables, settings }: PayloadEnvironment) {
  const declaration = Object.hasOwn(executables, executable) ? executables[executable] : undefined;
  if (declaration === undefined || (declaration.device ?? settings.device) !== settings.device)
    throw new AttemptError(
      'executable_unknown',
      `this ${settings.device} pilot has no executable ${executable}`,
    );
  return declaration;
}

/** All of them: a grant has the first ones alone. */
async function inputsOf(
  { grant, isAskedAgain, signal }: AttemptToStart,
  { jobInputs }: PayloadEnvironment,
): Promise<JobInput[]> {
  const { job = '', claim_id = '' } = grant;
  const inputs = [...(grant.inputs ?? [])];
  const total = grant.inputs_total ?? inputs.length;
  let isAsked = !isAskedAgain;
  while (inputs.length < total || !isAsked) {
    signal.throwIfAborted();
    const page = await jobInputs({ job, claim_id, from: inputs.length });
    isAsked = true;
    inputs.push(...(page.inputs ?? []));
    if (inputs.length < total && (page.inputs ?? []).length === 0)
      throw new AttemptError('start_failed', `of ${total} inputs the node told ${inputs.length}`);
  }
  return inputs;
}

/** @param inputs their paths @returns program and arguments */
function commandOf(
  { grant, key }: AttemptToStart,
  declaration: ExecutableDeclaration,
  inputs: readonly string[],
  { directory, variables }: PayloadEnvironment,
): string[] {
  const { executable = '', mode = 'map', args = '', seq = 0, outputs: [output = {}] = [] } = grant;
  const work = directory.workOf(key);
  const [out, log] = [writtenAt(work, output.file_name ?? ''), directory.payloads.logPathOf(key)];
  let argv: string[];
  try {
    const values = { mode, args, inputs, inputsFile: inputsFileOf(work), out, log, jobId: key.job, seq };
    argv = commandFor(executable, declaration, values);
  } catch (error) {
    throw new AttemptError('args_invalid', messageOf(error), undefined, error);
  }
  const [name = '', ...rest] = argv;
  const program = findProgram(name, variables['PATH'] ?? '');
  if (program !== undefined) return [program, ...rest];
  throw new AttemptError(
    'start_failed',
    `executable ${executable}: its program ${name} is not installed here`,
  );
}

function startOf(
  { grant, key, slot }: AttemptToStart,
  declaration: ExecutableDeclaration,
  argv: readonly string[],
  inputs: number,
  env: PayloadEnvironment,
): PayloadStart {
  const { settings, directory, clock } = env;
  const { inputs: _, ...order } = grant;
  const work = directory.workOf(key);
  const limit = grant.timeout_seconds ?? declaration.timeout_seconds;
  const largest = declaration.largest_output_mib;
  return {
    ...{ ...key, claim_id: grant.claim_id ?? '', order, slot, inputs_checked: inputs, stored: [] },
    ...(limit === undefined ? {} : { limit_ms: clock.sinceBoot() + limit * 1000, limit_seconds: limit }),
    looping_seconds: declaration.looping_seconds ?? settings.looping_seconds,
    ...(largest === undefined ? {} : { largest_output: largest * MIB }),
    log_limit_bytes: (declaration.log_limit_mib ?? settings.log_limit_mib) * MIB,
    ...(grant.memory_mib === undefined ? {} : { memory_limit_bytes: grant.memory_mib * MIB }),
    ...{ grace_ms: settings.grace_seconds * 1000, measured: true },
    ...{ argv, cwd: work, log_path: directory.payloads.logPathOf(key) },
    environment: environmentOf(key, slot, work, declaration, env),
  };
}

function environmentOf(
  { job }: PayloadKey,
  slot: number,
  work: string,
  { environment }: ExecutableDeclaration,
  { settings, variables }: PayloadEnvironment,
): Environment {
  const { PATH = '', LANG = '', ...named } = processEnvironment(environment, variables);
  const declared = Object.fromEntries(Object.entries(named).filter(([name]) => environment.includes(name)));
  return {
    ...declared,
    ...(PATH === '' ? {} : { PATH }),
    ...(LANG === '' ? {} : { LANG }),
    ...{ TMPDIR: join(work, 'tmp'), OWL_JOB: job, OWL_DEVICE: settings.device },
    ...(settings.device === 'gpu' ? { CUDA_VISIBLE_DEVICES: String(slot) } : {}),
  };
}

async function launch(
  start: PayloadStart,
  { key, signal }: AttemptToStart,
  env: PayloadEnvironment,
): Promise<PayloadRecord> {
  const { directory, keeper, clock, actsUntilMs, killAtMs, mayAct, logger } = env;
  const { payloads } = directory;
  const backoff = new Backoff({ firstMs: 50, longestMs: 1_000 });
  const until = clock.monotonic() + STARTS_WITHIN_MS;
  const start_by_ms = clock.sinceBoot() + STARTS_WITHIN_MS;
  let broken = 0;
  for (;;) {
    signal.throwIfAborted();
    if (!mayAct()) throw new AttemptError('pilot_lost', 'the lease ended before it was started');
    const deadline_ms = Math.min(actsUntilMs(), start.limit_ms ?? Number.POSITIVE_INFINITY);
    try {
      const times = Number.isFinite(deadline_ms) ? { deadline_ms, kill_at_ms: killAtMs() } : {};
      return await inTime(keeper.start({ ...start, ...times, start_by_ms }), env, start_by_ms);
    } catch (error) {
      // What an earlier try has started, seen or unseen, is found first.
      const recorded = payloads.read(key);
      if (recorded !== undefined) return recorded;
      // It may run all the same, and nobody would know.
      await endMarked(payloads.markOf(key), clock, env.signal);
      if (error instanceof OwlError && error.message === LOG_EXISTS) {
        broken += 1;
        if (broken >= MOST_BROKEN_STARTS) throw brokenOff(error);
        logger.warn({ job: key.job }, 'a start was broken off before it was recorded; starting again');
        rmSync(start.log_path, { force: true });
      } else if (isLasting(error) || clock.monotonic() >= until) {
        if (broken > 0 && existsSync(start.log_path)) throw brokenOff(error);
        throw new AttemptError('start_failed', `it can't be started: ${messageOf(error)}`, undefined, error);
      }
    }
    await wait(clock, backoff.next(), signal);
  }
}

function isLasting(error: unknown): boolean {
  return error instanceof OwlError && (error.kind === 'invalid' || error.kind === 'refused');
}

function brokenOff(cause: unknown): AttemptError {
  const what = 'its start was broken off twice before it was recorded: it may have taken the keeper along';
  return new AttemptError('end_unknown', what, undefined, cause);
}

/** A keeper that hangs is not waited for longer than it may still start anything. */
async function inTime(
  starting: Promise<PayloadRecord>,
  { clock }: PayloadEnvironment,
  startByMs: number,
): Promise<PayloadRecord> {
  starting.catch(() => undefined);
  let answered = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    answered = clock.after(startByMs - clock.sinceBoot() + RECORDED_WITHIN_MS, () =>
      reject(new OwlError('unavailable', 'the keeper of payloads does not answer')),
    );
  });
  try {
    return await Promise.race([starting, late]);
  } finally {
    answered();
  }
}
