/**
 * How wrong usage is told: by every command in the same words, `owl: <what is wrong>` and where to read how it is meant.
 *
 * Guarantees: what the parser of the command line refuses is told as what a command itself refuses; a command that there is not is
 * named with the nearest one, also where that is in another group.
 */

import { Command, type ErrorOptions } from 'commander';
import { closest } from '../base/suggestion.js';
import { UsageError } from './exit.js';

/** Makes its own below it. */
export class OwlCommand extends Command {
  override createCommand(name?: string): OwlCommand {
    return new OwlCommand(name);
  }

  override error(message: string, { code = '' }: ErrorOptions = {}): never {
    throw new UsageError(inOwnWords(this, message, code), nameOf(this));
  }
}

/** `owl plot list` */
export function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

/** @throws UsageError with the command that may be meant */
export function refuseUnknown(group: Command, word: string): never {
  throw new UsageError(unknownCommand(group, word), nameOf(group));
}

function inOwnWords(command: Command, message: string, code: string): string {
  const [, first = '', second = ''] = /'(.*?)'(?:.*?'(.*?)')?/s.exec(message) ?? [];
  const flag = /(?:^|, )(--[a-z0-9-]+)/.exec(first)?.[1] ?? first;
  switch (code) {
    case 'commander.unknownCommand':
      return unknownCommand(command, first);
    case 'commander.unknownOption':
      return `\`${nameOf(command)}\` takes no ${first}${flagMeant(message)}`;
    case 'commander.missingArgument':
      return `${first} is missing`;
    case 'commander.missingMandatoryOptionValue':
      return `${first} is missing`;
    case 'commander.optionMissingArgument':
      return `${flag} wants a value: ${first}`;
    case 'commander.excessArguments':
      return tooMany(command);
    case 'commander.invalidArgument': {
      const isArgument = message.includes('command-argument');
      return isArgument ? invalid(second, first, message) : invalid(flag, second, message);
    }
    default:
      return message.replace(/^error: /, '');
  }
}

function invalid(name: string, value: string, message: string): string {
  const [, rule = message] = /is invalid(?: for argument '.*?')?\. (.*)$/s.exec(message) ?? [];
  const must = /^It (must .*)\.$/s.exec(rule)?.[1];
  return must === undefined ? `${name}: ${rule}` : `${name} ${must}, not ${JSON.stringify(value)}`;
}

function flagMeant(message: string): string {
  const meant = /\(Did you mean (?:one of )?(.*)\?\)/.exec(message)?.[1];
  return meant === undefined ? '' : `; did you mean ${meant.replaceAll(', ', ' or ')}?`;
}

function tooMany(command: Command): string {
  const { args, registeredArguments: known } = command;
  const extra = JSON.stringify(args[known.length] ?? '');
  const name = `\`${nameOf(command)}\``;
  if (known.length === 0) return `${name} takes no argument, and ${extra} is one`;
  return `${name} takes no argument behind ${known.at(-1)?.name()}, and ${extra} is one`;
}

function unknownCommand(group: Command, word: string): string {
  const names = group.commands.flatMap((command) => [command.name(), ...command.aliases()]);
  const own = closest(word, names);
  const meant = own === undefined ? namesakes(group, word) : [`${nameOf(group)} ${own}`];
  const question =
    meant.length === 0
      ? `; there are ${names.join(', ')}`
      : `; did you mean ${meant.map((name) => `\`${name}\``).join(' or ')}?`;
  return `there is no command \`${nameOf(group)} ${word}\`${question}`;
}

/** Commands of that name in other groups, `owl plot watch` for `owl watch`. */
function namesakes(group: Command, word: string): string[] {
  let root = group;
  while (root.parent !== null) root = root.parent;
  const found: string[] = [];
  const look = (command: Command): void => {
    for (const below of command.commands) {
      if (below.name() === word) found.push(nameOf(below));
      look(below);
    }
  };
  look(root);
  return found;
}
