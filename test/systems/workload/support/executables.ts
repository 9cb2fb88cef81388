/** What the pilots of tests may run: small programs of every machine. */

import type { ExecutableTable } from '../../../../src/systems/workload/machine/executables.js';

function shell(script: string) {
  return ['/bin/sh', '-c', script, 'sh'];
}

export const Executables: ExecutableTable = {
  /** Its input in capital letters. */
  upper: { argv: [...shell('tr a-z A-Z <"$1" >"$2"; echo done'), '{in}', '{out}'], environment: [] },
  /** All inputs, one behind the other. */
  join: {
    argv: [...shell('out=$1; shift; cat "$@" >"$out"'), '{out}', '{inputs}'],
    merge_argv: [...shell('while read -r f; do cat "$f"; done <"$1" >"$2"'), '{inputs_file}', '{out}'],
    environment: [],
  },
  /** A script of the order's. */
  run: {
    argv: ['/bin/sh', '-c', '{args}', '{out}', '{in}', '{job_id}', '{seq}', '{log}'],
    environment: ['OWL_TEST_DECLARED'],
  },
};

/** Notes its start below a directory, and goes on once `in/go-<job>` is there. */
export function waitingBelow(directory: string): ExecutableTable {
  const script =
    'echo started; echo x >>"$2/starts-$3"; while [ ! -e "$2/in/go-$3" ]; do sleep 0.05; done; echo out >"$0"';
  return {
    wait: { argv: ['/bin/sh', '-c', script, '{out}', '{in}', directory, '{job_id}'], environment: [] },
  };
}
