/** Whether the systems of a node may be served as it is configured. */

import { OwlError } from '../base/errors.js';
import type { LoadedConfig } from './config/config.js';
import { sentenceOf } from './findings.js';
import type { ServedSystem } from './system.js';

/** @throws OwlError kind `refused` with all that is in the way */
export function assertServable(systems: readonly ServedSystem[], { config, of }: LoadedConfig): void {
  const found = systems.flatMap(
    (system) => system.whyNotServed?.(of(system.config), config, () => false) ?? [],
  );
  if (found.length > 0) throw new OwlError('refused', found.map(sentenceOf).join('; '));
}
