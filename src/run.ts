/**
 * The `owl` command as a function: arguments and a terminal in, an exit code out. It ends no process and knows no global.
 * Guarantee: results are on stdout, everything else on stderr, and every way to end has the exit code that --help names.
 */

import { Command, CommanderError } from 'commander';
import { OwlError } from './base/errors.js';
import { addConfigCommands } from './cli/commands/config.js';
import { addNodeCommands } from './cli/commands/node.js';
import { addStoreCommands } from './cli/commands/store.js';
import { addUpCommand } from './cli/commands/up.js';
import { EXIT, EXIT_HELP, exitCodeOf } from './cli/exit.js';
import { addGlobalOptions } from './cli/globals.js';
import { addExamples } from './cli/help.js';
import type { Terminal } from './cli/terminal.js';
import { packageVersion } from './cli/version.js';
import { addDemoCommand } from './systems/talent/cli/demo.js';
import { addLogReceiverCommand } from './systems/talent/cli/log-receiver.js';
import { addPlotCommands } from './systems/talent/cli/plot.js';
import { addSupervisorCommands } from './systems/talent/cli/supervisor.js';
import { addTalentCommand } from './systems/talent/cli/talent.js';

/** @param args what stands behind `owl` on the command line */
export async function runOwl(args: readonly string[], terminal: Terminal): Promise<number> {
  try {
    await owlCommand(terminal).parseAsync(args, { from: 'user' });
    return await endWith(undefined, terminal);
  } catch (error) {
    return await endWith(error, terminal);
  }
}

function owlCommand(terminal: Terminal): Command {
  const program = new Command('owl')
    .description('Runs long batch work on many machines and never forgets what happened.')
    .version(packageVersion(), '--version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [COMMAND]', 'print the help of a command')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true, minWidthToWrap: 30 })
    .configureOutput({
      writeOut: (text) => void terminal.out.write(text),
      writeErr: (text) => void terminal.err.write(text),
      getOutHelpWidth: () => terminal.out.width,
      getErrHelpWidth: () => terminal.err.width,
    });
  addGlobalOptions(program);
  addExamples(program, [
    ['owl talent --data /var/lib/owl', 'run the service on this machine'],
    ['owl plot create --cache1 /ssd/tmp --dest-path /farm/1', 'order a plot'],
    ['owl plot watch', 'follow what happens'],
    ['owl plot create --help', 'all there is to say about one command'],
  ]);
  program.addHelpText('after', `\n${EXIT_HELP}`);

  addDemoCommand(program, terminal);
  addUpCommand(program, terminal);
  addTalentCommand(program, terminal);
  addPlotCommands(program, terminal);
  addSupervisorCommands(program, terminal);
  addNodeCommands(program, terminal);
  addStoreCommands(program, terminal);
  addLogReceiverCommand(program, terminal);
  addConfigCommands(program, terminal);
  return program;
}

/** @param error what the command ended with; undefined when it did what it was asked to */
async function endWith(error: unknown, { interrupted, out, err }: Terminal): Promise<number> {
  if (out.failure !== undefined) {
    await err.line(`owl: the result can't be written: ${out.failure.message}`);
    return EXIT.failed;
  }
  if (error === undefined) return EXIT.ok;
  // Commander has said what is wrong, or printed the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (interrupted.aborted) return interrupted.reason === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
  if (out.closed.aborted) return EXIT.ok;
  if (error instanceof OwlError) await err.line(`owl: ${error.message}`);
  else
    await err.line(
      `owl: this is a fault of owl itself: ${error instanceof Error ? error.stack : String(error)}`,
    );
  return exitCodeOf(error);
}
