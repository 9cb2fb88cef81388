/**
 * What is installed of a package's production dependencies and of theirs, found as Node finds them: by package.json files in
 * node_modules. `npm sbom --omit dev` leaves out those that what develops the package needs as well.
 */

import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

export const manifestIn = (folder) => JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));

/**
 * @param root absolute
 * @returns `found`: each by its folder, with the way that leads to it; `missing`: ways to those that are not installed
 */
export function productionOf(root) {
  const found = new Map();
  const missing = [];
  const open = [{ folder: root, way: [] }];
  for (const { folder, way } of open) {
    const { dependencies = {}, optionalDependencies = {}, peerDependencies = {} } = manifestIn(folder);
    // What is optional, and what others bring along, counts where it is there.
    for (const name of Object.keys({ ...peerDependencies, ...optionalDependencies, ...dependencies })) {
      const place = find(name, folder, root);
      const behind = [...way, name];
      if (place === undefined) {
        if (name in dependencies && !(name in optionalDependencies)) missing.push(behind);
      } else if (!found.has(place)) {
        found.set(place, behind);
        open.push({ folder: place, way: behind });
      }
    }
  }
  return { found, missing };
}

/** Where Node finds a package from a folder; undefined for one that is not installed. */
function find(name, folder, root) {
  for (let at = folder; ; at = dirname(at)) {
    const place = join(at, 'node_modules', name);
    if (existsSync(join(place, 'package.json'))) return place;
    if (at === root || dirname(at) === at) return undefined;
  }
}
