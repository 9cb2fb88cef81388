/** What `owl config check` tells of a configuration. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { owl } from '../support/terminal-double.js';

/** @returns problems and remarks each with the place before */
export async function check(cwd: string, yaml: string, env: Record<string, string> = {}) {
  writeFileSync(join(cwd, 'owl.yaml'), yaml);
  const { code, stdout, stderr } = await owl(['config', 'check', '--json'], { cwd, env });
  const { problems = [], remarks = [], explained } = JSON.parse(stdout);
  const told = (list: { place: string; rule: string }[]) => list.map(({ place, rule }) => `${place} ${rule}`);
  return { code, stderr, explained, problems: told(problems), remarks: told(remarks) };
}

/** A directory for PATH with the usual plotter in it. */
export function withChia(t: Test, mode = 0o755): string {
  const directory = mkdtempSync(join(tmpdir(), 'owl-path-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(join(directory, 'chia'), '#!/bin/sh\n', { mode });
  return directory;
}
