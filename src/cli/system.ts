/**
 * A system as owl knows it: its service on a node (src/node/system.ts), its commands, and what runs of it on a machine.
 * src/systems.ts lists them; nothing else names one.
 *
 * Guarantee: declaring and adding commands load no service, so that every other command stays quick.
 */

import type { Command } from 'commander';
import type { Settings } from '../node/config/config.js';
import type { Finding } from '../node/findings.js';
import type { ServedSystem } from '../node/system.js';
import type { Called } from '../wire/call-error.js';
import type { ServiceClientOptions } from '../wire/service-client.js';
import type { Terminal } from './terminal.js';

/** What commands work with: the terminal, what can be configured, and which systems there are. */
export interface Cli extends Terminal {
  readonly settings: Settings;
  readonly systems: readonly System[];
}

/** A command line and what it does. */
export type Example = readonly [line: string, what: string];

/** Commands of owl's own that have examples of systems in their help. */
export type ExampleOf = 'owl' | 'node run' | 'node redrive' | 'node rebuild';

export interface System<Config = unknown> extends ServedSystem<Config> {
  /** Adds its groups of commands. */
  commands(program: Command, cli: Cli): void;
  /** How people call a node where there is no other system; default: a node. */
  readonly called?: Called;
  /** How people call the streams of a category, `plots`; by category. */
  readonly counted?: Readonly<Record<string, string>>;
  readonly examples?: Readonly<Partial<Record<ExampleOf, readonly Example[]>>>;
  /**
   * What a start on this machine would find beside the rules of keys, a program that is not there for instance. Changes nothing.
   */
  check?(config: Config, machine: CheckedMachine): Promise<readonly Finding[]>;
  /** What of it runs, what waits and why, for `owl status`. Asks the node that was named, and what runs on this machine. */
  work?(asked: AskedWork<Config>): Promise<SystemWork>;
  /** What a check says of the configuration beside its values, in sentences: what a name stands for, say. */
  explain?(config: Config): Promise<readonly string[]>;
  /** For systems that start processes. */
  readonly machine?: MachineSide<Config>;
}

export interface AskedWork<Config> {
  readonly config: Config;
  /** How the node that was asked for is reached. */
  readonly client: ServiceClientOptions;
  /** The data directory of this machine. Absolute. */
  readonly data: string;
}

/** For people, but for the names. */
export interface SystemWork {
  /** Its service in a few words, `2 supervisors attached`. */
  readonly service: string;
  /** What runs of its machine side on this machine, `process 12, draining`; undefined when nothing does, or it has none. */
  readonly machine: string | undefined;
  /** What an operator has switched off, each in a sentence: who, since when and why. Left out where there is nothing of the kind. */
  readonly switchedOff?: readonly string[];
  /** Each with how far it is. */
  readonly runs: readonly WorkItem[];
  /** Each with why it waits. */
  readonly waits: readonly WorkItem[];
  /** There is more than these. */
  readonly hasMore: boolean;
}

export interface WorkItem {
  readonly name: string;
  readonly state: string;
  readonly what: string;
}

export interface CheckedMachine {
  readonly env: Terminal['env'];
  /** Whether somebody says the value of a key, or what is in a table. */
  isSaid(path: readonly string[]): boolean;
  /** Whether nobody can tell what was meant with it: it counts as not given, and nothing follows from that. */
  isWrong(path: readonly string[]): boolean;
}

/**
 * What `owl up` keeps running on a machine for a system: a process of its own, so that its end takes nothing else with it.
 * It is data; the command does the work.
 */
export interface MachineSide<Config = unknown> {
  /** How messages call it, `supervisor`. */
  readonly name: string;
  /** What that is, and what becomes of its work when it ends: goes on behind `<system> runs …` in the help. */
  readonly about: string;
  /** Why there would be nothing for it to do, as configured; undefined when there is. For people. */
  whyNot(config: Config): string | undefined;
  /** What stands behind `owl` on its command line. It has to print one line once it works. */
  args(place: MachinePlace): readonly string[];
}

export interface MachinePlace {
  /** The data directory that it shares with the node. Absolute. */
  readonly data: string;
  /** HOST:PORT where the node answers. */
  readonly server: string;
}
