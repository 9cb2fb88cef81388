/** What a plot lays claim to on its machine: caches, and space on file systems. */

export interface CacheDirectory {
  readonly path: string;
  /** Equal for the same directory under different paths. */
  readonly id: string;
}

/** What a plot takes on one file system. */
export interface SpaceUse {
  readonly fileSystem: number;
  /** What it will still use there, at the most. */
  readonly bytes: number;
  /** How much more than now is free there when it has ended; negative where the plot itself stays. */
  readonly gain: number;
}

export interface RunningPlot {
  /** One or two. */
  readonly caches: readonly CacheDirectory[];
  readonly needs: readonly SpaceUse[];
}
