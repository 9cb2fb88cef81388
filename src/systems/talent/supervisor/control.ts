/**
 * What an operator can ask of the supervisor of this machine, over a socket in its data directory.
 *
 * Guarantee: an answer says what is so now; a request that can't be met is an error with the reason.
 */

import { OwlError } from '../../../base/errors.js';
import { type CallHandler, connectLocally } from '../../../processes/local-calls.js';
import type { TalentDirectory } from '../machine/talent-directory.js';

export interface PlotStatus {
  readonly task_id: string;
  readonly attempt: number;
  readonly pid: number;
  readonly plotter: string;
  /** Unix seconds. */
  readonly started_time: number;
  readonly state: 'running' | 'suspended' | 'stopping' | 'ended';
  /** Percent of one core; null before it was measured. */
  readonly cpu: number | null;
  /** Bytes; null before it was measured. */
  readonly memory: number | null;
  readonly log_path: string;
}

export interface SupervisorState {
  readonly pid: number;
  readonly data: string;
  readonly server: string;
  /** Null before talent was reached, unless configured. */
  readonly worker_id: string | null;
  readonly attached: boolean;
  /** Why it is not attached; null when it is. */
  readonly away_reason: string | null;
  readonly draining: boolean;
  /** Null while there is none. */
  readonly log_pid: number | null;
  readonly plotter: string;
  /** Why plotters get no cgroups of their own, by which all that they have started can be found; null when they do. */
  readonly no_cgroups_reason: string | null;
  readonly plots: readonly PlotStatus[];
  readonly waiting: readonly {
    readonly task_id: string;
    readonly attempt: number;
    readonly reason: string;
  }[];
}

/** What the supervisor can do for its operator. Each throws an OwlError when it can't. */
export interface Controls {
  status(): SupervisorState;
  /** Finishes what runs, starts nothing, over restarts too, until `undrain`. */
  drain(): void;
  undrain(): void;
  suspend(taskId: string): void;
  resume(taskId: string): void;
}

export function controlHandler(controls: Controls): CallHandler {
  return (method, params) => {
    switch (method) {
      case 'status':
        break;
      case 'drain':
        controls.drain();
        break;
      case 'undrain':
        controls.undrain();
        break;
      case 'suspend':
        controls.suspend(taskIdIn(params));
        break;
      case 'resume':
        controls.resume(taskIdIn(params));
        break;
      default:
        throw new OwlError('invalid', `a supervisor knows no ${method}`);
    }
    return controls.status();
  };
}

export type ControlRequest =
  | { readonly method: 'status' | 'drain' | 'undrain' }
  | { readonly method: 'suspend' | 'resume'; readonly taskId: string };

/**
 * Asks the supervisor that has this directory.
 * @returns its state after the request
 * @throws OwlError kind `unavailable` when none runs there, `refused` with the supervisor's reason
 */
export async function askSupervisor(
  { path, controlSocket }: TalentDirectory,
  request: ControlRequest,
): Promise<SupervisorState> {
  const peer = await connectLocally(controlSocket).catch((error: unknown) => {
    throw new OwlError(
      'unavailable',
      `no supervisor runs in ${path}; start one with \`owl supervisor run\``,
      {
        cause: error,
      },
    );
  });
  try {
    const state = await peer.call(request.method, 'taskId' in request ? { task_id: request.taskId } : {});
    if (isState(state)) return state;
    throw new OwlError('unavailable', `what answers in ${path} is no supervisor of this version`);
  } finally {
    peer.close();
  }
}

function taskIdIn(params: unknown): string {
  if (
    typeof params === 'object' &&
    params !== null &&
    'task_id' in params &&
    typeof params.task_id === 'string'
  )
    return params.task_id;
  throw new OwlError('invalid', 'which task?');
}

function isState(value: unknown): value is SupervisorState {
  return (
    typeof value === 'object' &&
    value !== null &&
    'plots' in value &&
    Array.isArray(value.plots) &&
    'waiting' in value &&
    Array.isArray(value.waiting) &&
    'draining' in value
  );
}
