/** Supervisor and log receiver whose lock's file is deleted: it is theirs again, or they make way for whoever was faster. */

import { rmSync } from 'node:fs';
import { pino } from 'pino';
import t from 'tap';
import { FileLock } from '../../../../src/base/lock.js';
import { startLogReceiver } from '../../../../src/systems/talent/log-receiver/log-receiver.js';
import {
  readLogReceiver,
  removeLogReceiver,
} from '../../../../src/systems/talent/machine/log-receiver-identity.js';
import { TalentDirectory } from '../../../../src/systems/talent/machine/talent-directory.js';
import { ofKind } from '../../../support/events.js';
import { isLocked } from '../../../support/is-locked.js';
import { until } from '../../../support/until.js';
import { wakingClock as clock } from '../../../support/waking-clock.js';
import { Farm, playerWith } from '../support/farm.js';

t.test('a supervisor takes it anew and goes on; where another has it, it says so', async (t) => {
  const farm = await Farm.start(t);
  const supervisor = await farm.supervise(playerWith('--seconds', '0'));
  const { supervisorLock } = new TalentDirectory(farm.data);
  rmSync(supervisorLock);
  await until('it is locked again', () => isLocked(supervisorLock));
  t.equal(FileLock.take(supervisorLock), undefined, 'and is its own');
  await farm.order('one');
  await farm.reaches('one', 'finished');

  await until('another has it', () => {
    rmSync(supervisorLock, { force: true });
    const other = FileLock.take(supervisorLock);
    if (other !== undefined) t.teardown(() => other.release());
    return other !== undefined;
  });
  t.match(await supervisor.lost, {
    ...ofKind('refused'),
    message: `${supervisorLock} was deleted or replaced`,
  });
});

t.test(
  'a log receiver takes it anew with its name; where another has it, it leaves that one its name',
  async (t) => {
    const data = t.testdir({ plots: {} });
    const machine = new TalentDirectory(data);
    const logger = pino({ level: 'silent' });
    const receiver = startLogReceiver({ machine, server: '127.0.0.1:9', version: '1', logger, clock });
    removeLogReceiver(new TalentDirectory(data));
    rmSync(machine.logReceiverLock);
    await until('it is named again', () => readLogReceiver(new TalentDirectory(data))?.pid === process.pid);
    t.throws(() => startLogReceiver({ machine, server: '127.0.0.1:9', version: '1', logger, clock }), {
      message: `has a log receiver already, process ${process.pid}, and needs no other; supervisors keep one`,
    });

    rmSync(machine.logReceiverLock);
    const other = startLogReceiver({ machine, server: '127.0.0.1:10', version: '1', logger, clock });
    t.match(await receiver.lost, ofKind('refused'));
    await receiver.stop();
    t.match(readLogReceiver(new TalentDirectory(data)), { server: '127.0.0.1:10' });
    await other.stop();
    t.equal(readLogReceiver(new TalentDirectory(data)), undefined);
  },
);
