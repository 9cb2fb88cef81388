/** What a supervisor tells of its machine with a heartbeat: `SupervisorFigures` of the proto file. Nothing of it is stored. */

export interface SupervisorFigures {
  /** Plots whose process runs. */
  readonly plotters?: number | undefined;
  /** That these keep busy. */
  readonly cpu_cores?: number | undefined;
  readonly memory_bytes?: number | undefined;
  readonly waiting?: readonly TasksWaiting[];
}

export interface TasksWaiting {
  /** A kind of reason, as docs/metrics.md lists them. */
  readonly reason?: string | undefined;
  readonly tasks?: number | undefined;
}
