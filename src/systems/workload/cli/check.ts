/**
 * What a pilot would find of its executables on this machine: whether their programs are there. One that is missing keeps no pilot
 * from starting, unless it is the last; its jobs go to others. So it is a remark, and where nothing is left to run a problem.
 */

import type { CheckedMachine } from '../../../cli/system.js';
import type { Finding } from '../../../node/findings.js';
import type { WorkloadConfig } from '../config.js';
import { findProgram } from '../machine/executables.js';

export function findingsOfExecutables(
  { workload: { executables, pilot } }: WorkloadConfig,
  { env, isWrong }: CheckedMachine,
): readonly Finding[] {
  const path = env['PATH'] ?? '';
  const its = Object.entries(executables).filter(
    ([name, { device = pilot.device }]) =>
      device === pilot.device && !isWrong(['workload', 'executables', name]),
  );
  const missing = its.flatMap(([name, { argv, merge_argv = argv }]) => {
    const program = [argv[0], merge_argv[0]].find((one = '') => findProgram(one, path) === undefined);
    return program === undefined ? [] : [{ name, program }];
  });
  const isProblem = missing.length === its.length;
  return missing.map(({ name, program }) => ({
    path: ['workload', 'executables', name, 'argv'],
    text: `executable ${name}: its program ${program} is ${program.includes('/') ? 'not there' : 'in no directory of PATH'}; install it`,
    isRemark: !isProblem,
  }));
}
