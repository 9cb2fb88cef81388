/** The repertoire of the nemesis: what can be done to the processes, disks, clocks, connections and stores of a round. */

import { DatabaseSync } from '@photostructure/sqlite';
import type { EventStoreDbNode } from '../support/eventstoredb-node/node.js';
import type { Dice } from './dice.js';
import type { Harm } from './nemesis.js';
import type { AttachedSupervisor } from './peers/attached-supervisor.js';
import type { PoisonedTask } from './peers/poisoned-task.js';
import type { Gate } from './world/gate.js';
import type { NodeWorld } from './world/node-world.js';
import type { OwlService } from './world/owl-service.js';
import type { Store } from './world/store.js';
import type { World } from './world/world.js';

/** Ids of orders are known for a day of the wall's clock: it is never further off than this. */
const FURTHEST_CLOCK_MS = 6 * 3_600_000;
/** For a service to come back before the next harm. */
const LONGEST_START_MS = 15_000;

export function harmsOf(
  world: World,
  supervisors: readonly AttachedSupervisor[],
  poisoned: PoisonedTask,
): Harm[] {
  return [
    ...nodeHarms(world),
    ...machineHarms(world),
    ...groundHarms(world.supervisor).filter(({ name }) => name.includes('clock')),
    {
      name: 'silence a supervisor',
      // Others are harmed meanwhile.
      strike: (dice) => {
        void dice.pick(supervisors).fallSilent(dice.whole(500, 7_000), dice.chance(0.4));
        return true;
      },
    },
    { name: 'poison a task', strike: () => poisoned.poison() },
  ];
}

/** What can be done to a node of any system, to what it stands on and to the connections with it. */
export function nodeHarms({ node, proxy, store }: Pick<NodeWorld, 'node' | 'proxy' | 'store'>): Harm[] {
  return [
    ...[killed(node, 'SIGKILL'), killed(node, 'SIGTERM'), halted('node', () => node.pid)],
    ...groundHarms(node),
    ...connectionHarms(proxy),
    ...(store.server === undefined ? [lockedDatabase(store)] : storeHarms(store.server)),
  ];
}

function killed(service: OwlService, signal: 'SIGKILL' | 'SIGTERM'): Harm {
  return {
    name: `${signal} ${service.name}`,
    strike: async (dice) => {
      if (!service.signal(signal)) return false;
      await untilBack(service, dice);
      return true;
    },
  };
}

function halted(name: string, pidOf: () => number | undefined): Harm {
  return {
    name: `SIGSTOP ${name}`,
    strike: async (dice, rest) => {
      const pid = pidOf();
      if (pid === undefined || !sent(pid, 'SIGSTOP')) return false;
      await rest(dice.whole(100, 2_500));
      sent(pid, 'SIGCONT');
      return true;
    },
  };
}

function machineHarms(world: World): Harm[] {
  const { supervisor } = world;
  const others = ['log-receiver', 'keeper-main'].flatMap((program) => [
    {
      name: `SIGKILL ${program}`,
      strike: () => {
        const pid = world.pidOf(program);
        return pid !== undefined && sent(pid, 'SIGKILL');
      },
    },
    halted(program, () => world.pidOf(program)),
  ]);
  return [...[killed(supervisor, 'SIGKILL'), halted('supervisor', () => supervisor.pid)], ...others];
}

function groundHarms(service: OwlService): Harm[] {
  const { name } = service;
  return [
    {
      name: `fail flushes of ${name}`,
      strike: async (dice, rest) => {
        // It ends by itself, as it can rely on nothing any more.
        service.mayEnd();
        service.setGround({ flush: 'fails' });
        await rest(dice.whole(100, 500));
        service.setGround({ flush: 'works' });
        await untilBack(service, dice);
        return true;
      },
    },
    {
      name: `delay flushes of ${name}`,
      strike: async (dice, rest) => {
        service.setGround({ flushDelayMs: dice.whole(5, 400) });
        await rest(dice.whole(200, 1_500));
        service.setGround({ flushDelayMs: 0 });
        return true;
      },
    },
    {
      name: `fill the disk of ${name}`,
      strike: async (dice, rest) => {
        service.mayEnd();
        service.setGround({ full: true });
        await rest(dice.whole(200, 1_500));
        service.setGround({ full: false });
        return true;
      },
    },
    {
      name: `set the clock of ${name}`,
      strike: (dice) => {
        service.setGround({ clockOffsetMs: dice.whole(-FURTHEST_CLOCK_MS, FURTHEST_CLOCK_MS) });
        return true;
      },
    },
  ];
}

/** Mostly waits until it serves again, so that there is something to harm; sometimes it is hit while it starts. */
async function untilBack(service: OwlService, dice: Dice): Promise<void> {
  if (dice.chance(0.75)) await service.servesAgain(LONGEST_START_MS);
}

function connectionHarms(proxy: Gate): Harm[] {
  return [
    {
      name: 'cut connections',
      strike: (dice) => {
        proxy.cut(() => dice.chance(0.6));
        return true;
      },
    },
    {
      name: 'hold connections up',
      strike: async (dice, rest) => {
        proxy.hold(true);
        await rest(dice.whole(100, 3_000));
        proxy.hold(false);
        return true;
      },
    },
  ];
}

/** Another program writes into the file of the store and takes its time. */
function lockedDatabase({ readModels: file }: Store): Harm {
  return {
    name: 'lock the database',
    strike: async (dice, rest) => {
      const db = new DatabaseSync(file);
      try {
        db.exec('BEGIN IMMEDIATE');
        await rest(dice.whole(50, 1_500));
        db.exec('ROLLBACK');
        return true;
      } catch {
        // The node was just writing itself.
        return false;
      } finally {
        db.close();
      }
    },
  };
}

function storeHarms(server: EventStoreDbNode): Harm[] {
  const { faults } = server;
  const done = (name: string, act: (dice: Dice) => void): Harm => ({
    name: `store: ${name}`,
    strike: (dice) => {
      act(dice);
      return true;
    },
  });
  return [
    done('drop connections', () => faults.drop()),
    done('drop after some answers', (dice) => faults.dropAfter(dice.whole(1, 200))),
    done('lose answers', (dice) => {
      faults.lostAnswers = dice.whole(1, 5);
    }),
    done('time out', (dice) => {
      faults.timeouts = dice.whole(1, 5);
    }),
    done('be busy', (dice) => {
      faults.busyCalls = dice.whole(1, 20);
    }),
    done('drop subscriptions', () => server.dropSubscriptions()),
    {
      name: 'store: fall silent',
      strike: async (dice, rest) => {
        faults.fallSilent();
        await rest(dice.whole(100, 2_500));
        faults.speak();
        return true;
      },
    },
    {
      name: 'store: be slow',
      strike: async (dice, rest) => {
        faults.delayMs = dice.whole(5, 200);
        await rest(dice.whole(200, 1_500));
        faults.delayMs = 0;
        return true;
      },
    },
    {
      name: 'store: restart',
      strike: async (dice, rest) => {
        await server.stop();
        await rest(dice.whole(50, 1_500));
        await server.restart();
        return true;
      },
    },
  ];
}

function sent(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    // It has ended meanwhile.
    return false;
  }
}
