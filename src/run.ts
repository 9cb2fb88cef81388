/**
 * The `owl` command as a function: arguments and a terminal in, an exit code out. It ends no process and knows no global.
 * Guarantee: results are on stdout, everything else on stderr, and every way to end has the exit code that --help names.
 */

import { type Command, CommanderError } from 'commander';
import { OwlError, ToldError } from './base/errors.js';
import { packageVersion } from './base/package-version.js';
import { addAccessCommands } from './cli/commands/access.js';
import { addConfigCommands } from './cli/commands/config.js';
import { addNodeCommands } from './cli/commands/node.js';
import { addStatusCommand } from './cli/commands/status.js';
import { addStoreCommands } from './cli/commands/store.js';
import { addUpCommand } from './cli/commands/up.js';
import { EXIT, EXIT_HELP, exitCodeOf, UsageError } from './cli/exit.js';
import { printableLines } from './cli/format.js';
import { addGlobalOptions } from './cli/globals.js';
import { addExamples, examplesOf } from './cli/help.js';
import type { Cli, System } from './cli/system.js';
import type { Terminal } from './cli/terminal.js';
import { nameOf, OwlCommand, refuseUnknown } from './cli/usage.js';
import { assertNoClash, type Claims, claimsOf, claimsOfService } from './node/clashes.js';
import { Settings } from './node/config/config.js';
import { SYSTEMS } from './systems.js';

/**
 * @param args what stands behind `owl` on the command line
 * @param systems those that there are
 */
export async function runOwl(
  args: readonly string[],
  terminal: Terminal,
  systems: readonly System[] = SYSTEMS,
): Promise<number> {
  let command = 'owl';
  try {
    const program = await buildCommand(terminal, systems);
    program.hook('preAction', (_program, run) => {
      command = nameOf(run);
    });
    refuseHelpOfNothing(program, args);
    await program.parseAsync(args, { from: 'user' });
    return await endWith(undefined, terminal, command);
  } catch (error) {
    return await endWith(error, terminal, command);
  }
}

/** Commander would print the help of all of owl. */
function refuseHelpOfNothing(program: Command, [help, word]: readonly string[]): void {
  if (help !== 'help' || word === undefined || word === help || word.startsWith('-')) return;
  if (!namesOf(program).includes(word)) refuseUnknown(program, word);
}

/** Loads no service, unless systems clash: then all that they share is told. */
async function buildCommand(terminal: Terminal, systems: readonly System[]): Promise<Command> {
  try {
    assertNoClash(systems.map(claimsOf));
    return owlCommand({ ...terminal, settings: new Settings(systems), systems });
  } catch (error) {
    const own = emptyCommand(terminal);
    addOwnCommands(own, { ...terminal, settings: new Settings([]), systems: [] });
    const claims = systems.map((system) => claimsOfSystem(system, terminal));
    assertNoClash([{ owner: 'owl', names: { command: namesOf(own) } }, ...(await Promise.all(claims))]);
    throw error;
  }
}

async function claimsOfSystem(system: System, terminal: Terminal): Promise<Claims> {
  const { names, ...declared } = claimsOfService(system, await system.service());
  const alone = emptyCommand(terminal);
  system.commands(alone, { ...terminal, settings: new Settings([system]), systems: [system] });
  return { ...declared, names: { ...names, command: namesOf(alone) } };
}

function namesOf({ commands }: Command): string[] {
  return commands.flatMap((command) => [command.name(), ...command.aliases()]);
}

function owlCommand(cli: Cli): Command {
  const program = emptyCommand(cli);
  for (const system of cli.systems) system.commands(program, cli);
  addOwnCommands(program, cli);
  addExamples(program, examplesOf(cli, 'owl'));
  return program.addHelpText('after', `\n${EXIT_HELP}`);
}

function addOwnCommands(program: Command, cli: Cli): void {
  addUpCommand(program, cli);
  addStatusCommand(program, cli);
  addNodeCommands(program, cli);
  addStoreCommands(program, cli);
  addConfigCommands(program, cli);
  addAccessCommands(program, cli);
}

function emptyCommand(terminal: Terminal): Command {
  const program = new OwlCommand('owl')
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
  return program;
}

/**
 * @param error what the command ended with; undefined when it did what it was asked to
 * @param command what was run
 */
async function endWith(
  error: unknown,
  { interrupted, out, err }: Terminal,
  command: string,
): Promise<number> {
  if (out.failure !== undefined) {
    await err.line(`owl: the result can't be written: ${out.failure.message}`);
    return EXIT.failed;
  }
  if (error === undefined) return EXIT.ok;
  // Commander has printed help: that was asked for, or else what is missing is a command.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (interrupted.aborted) return interrupted.reason === 'SIGTERM' ? EXIT.terminated : EXIT.interrupted;
  if (out.closed.aborted) return EXIT.ok;
  if (error instanceof ToldError) return exitCodeOf(error);
  if (error instanceof OwlError) await err.line(`owl: ${printableLines(error.message)}`);
  else
    await err.line(
      `owl: this is a fault of owl itself: ${error instanceof Error ? error.stack : String(error)}`,
    );
  const code = exitCodeOf(error);
  if (code === EXIT.usage) await err.line(`\`${helpOf(error, command)} --help\` says how it is meant`);
  return code;
}

function helpOf(error: unknown, command: string): string {
  return (error instanceof UsageError ? error.command : undefined) ?? command;
}
