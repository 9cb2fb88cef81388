/** A plotter as data: which versions it is for, how it is called, what its log looks like, what it makes and what that takes. */

export interface PlotterDeclaration {
  readonly name: string;
  /** Which versions of which program it is for, in words: `bladebit 2 and 3`. */
  readonly versions?: string | undefined;
  /**
   * Program and arguments, with `{placeholders}`. A list within it is left out as a whole when one of its placeholders has
   * no value: `["-f", "{fpk}"]`.
   */
  readonly argv: readonly (string | readonly string[])[];
  /** Name of the format of what it prints; see src/log-receiver/parsers. */
  readonly format: string;
  /** Patterns of the names of its temp files; see temp-files.ts. */
  readonly temp: readonly string[];
  /** The directories it fills. What it does not fill is not checked for space. */
  readonly fills: readonly ('cache' | 'dest')[];
  /** What a k32 takes there, where that is known better than of plotters in general; see space-needs.ts. */
  readonly k32_gib?: PlotSizes | undefined;
  /** The k that it can make. Default: any. */
  readonly smallest_k?: number | undefined;
  readonly largest_k?: number | undefined;
  /** Plots at the same time with one cache. 1 where its temp files have the same names for all plots. Default: any number. */
  readonly max_per_cache?: number | undefined;
  /** How far its plots are compressed; 0, the default: not at all. */
  readonly compression?: number | undefined;
  /** GiB of its finished k32 by level of compression, from 1 on. Default: its levels are not known here. */
  readonly compressed_k32_gib?: readonly number[] | undefined;
  /** Names of variables that it gets to see beside those that every plotter has; see src/processes/environment.ts. Default: none. */
  readonly environment?: readonly string[];
}

/** GiB of a k32 at its largest. Other k take as much more or less as their plots do. */
export interface PlotSizes {
  /** With the second cache on another file system. */
  readonly cache1?: number | undefined;
  readonly cache2?: number | undefined;
  /** Both on one file system. Default: their sum. */
  readonly caches?: number | undefined;
  readonly dest?: number | undefined;
}
