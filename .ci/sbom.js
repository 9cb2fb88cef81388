/**
 * Writes what this package is made of beside what is packed: `npm pack` runs it (package.json, `prepack`). It asks nobody; npm reads
 * what is installed.
 *
 * Guarantees: every production dependency is named with version and licence; where a dependency was fetched from is left out, since
 * that is the business of who installs it; the same tree gives the same file.
 */

import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { manifestIn, productionOf } from './production.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const nameOf = ({ name, version }) => `${name}@${version}`;
const own = manifestIn(root);
const { found, missing } = productionOf(root);
if (missing.length > 0) throw new Error(`${missing.join(', ')}: not installed; run npm ci`);
const shipped = new Set([own, ...[...found.keys()].map(manifestIn)].map(nameOf));

const asked = ['sbom', '--sbom-format', 'cyclonedx', '--offline'];
const printed = execFileSync('npm', asked, { cwd: root, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
const { serialNumber: _, metadata: about, components, dependencies, ...sbom } = JSON.parse(printed);
const { timestamp: __, ...metadata } = about;

/** Without the place that it was fetched from, and the properties that say where it lies here. */
function component({ externalReferences = [], properties: _, ...rest }) {
  return { ...rest, externalReferences: externalReferences.filter(({ type }) => type !== 'distribution') };
}

const isShipped = (ref) => shipped.has(ref);
/** What this package is developed with may be shipped because of others; it does not depend on it. */
const isOwn = (ref) => ref.slice(0, ref.lastIndexOf('@')) in own.dependencies;
// npm calls this package by the folder that it lies in.
const shown = {
  ...sbom,
  metadata: { ...metadata, component: { ...component(metadata.component), name: own.name } },
  components: components.filter((one) => isShipped(nameOf(one))).map(component),
  dependencies: dependencies
    .filter(({ ref }) => isShipped(ref))
    .map(({ ref, dependsOn }) => ({
      ref,
      dependsOn: dependsOn.filter(ref === nameOf(own) ? isOwn : isShipped),
    })),
};
const lost = [...shipped].filter((name) => !shown.dependencies.some(({ ref }) => ref === name));
if (lost.length > 0) throw new Error(`npm names nothing of ${lost.join(', ')}`);
mkdirSync(`${root}/dist`, { recursive: true });
writeFileSync(`${root}/dist/sbom.cdx.json`, `${JSON.stringify(shown, null, 2)}\n`);
