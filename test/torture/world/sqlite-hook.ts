/** Module hook: who imports the SQLite driver gets the one of limited-sqlite.ts, which alone gets the driver itself. */

import type { ResolveHook } from 'node:module';

const DRIVER = '@photostructure/sqlite';
const INSTEAD = new URL('./limited-sqlite.js', import.meta.url).href;

export const resolve: ResolveHook = (specifier, context, nextResolve) =>
  specifier === DRIVER && context.parentURL !== INSTEAD
    ? { url: INSTEAD, shortCircuit: true }
    : nextResolve(specifier, context);
