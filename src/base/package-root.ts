/** The folder that holds package.json, from wherever the compiled files lie below it. */

import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

function findPackageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder)
      throw new Error(`package.json is missing above ${import.meta.url}: the installation is incomplete`);
    folder = parent;
  }
  return folder;
}

export const PACKAGE_ROOT = findPackageRoot();
