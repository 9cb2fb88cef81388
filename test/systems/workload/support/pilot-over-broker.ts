/** A pilot without processes on the product's own way over a broker: it claims what it is hinted at, and reports it as finished. */

import { randomUUID } from 'node:crypto';
import type { Logger } from 'pino';
import type { Test } from 'tap';
import { PilotLink } from '../../../../src/systems/workload/machine/pilot-link.js';
import { AmqpRoad } from '../../../../src/systems/workload/machine/road/amqp/amqp-road.js';
import type { Reports } from '../../../../src/systems/workload/machine/road/pilot-road.js';
import type { BrokerPlace } from '../../../../src/systems/workload/wire/amqp/broker-address.js';
import type {
  Grant,
  JobFinished,
  PilotReportAnswer,
  PilotTold,
  Work,
} from '../../../../src/systems/workload/wire/pilot-messages.js';
import { wakingClock } from '../../../support/waking-clock.js';

const CHECK_SUM = 'd41d8cd9-8f00-b204-e980-0998ecf8427e';
const SHA256 = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';

export interface OverBrokerOptions {
  readonly place: BrokerPlace;
  readonly name: string;
  readonly slots: number;
  readonly logger: Logger;
  /** Between the start of a job and its end. */
  readonly work?: (job: string) => Promise<void>;
}

export class PilotOverBroker {
  /** Jobs whose end was taken. */
  readonly finished = new Set<string>();
  /** Answers that it did not expect. */
  readonly strange: PilotReportAnswer[] = [];
  readonly link: PilotLink;
  private readonly options: OverBrokerOptions;
  private readonly road: AmqpRoad;
  private readonly reports: Reports;
  private used = 0;

  private constructor(options: OverBrokerOptions) {
    const { place, name, slots, logger } = options;
    this.options = options;
    this.road = new AmqpRoad({ broker: place, pilot: name, device: 'cpu', clock: wakingClock, logger });
    this.link = new PilotLink({
      ...{ road: this.road, name, version: '1', graceSeconds: 1, clock: wakingClock, logger },
      body: { device_type: 'cpu', slots, executables: ['wc'], instance: name },
    });
    this.reports = this.road.reports(name, () => this.link.attachedSession);
  }

  /** Resolves once it has its lease. Ends with the test. */
  static async start(t: Test, options: OverBrokerOptions): Promise<PilotOverBroker> {
    const pilot = new PilotOverBroker(options);
    t.teardown(() => pilot.stop());
    pilot.link.start({
      onWork: ({ hint }: Work, over) => {
        if (hint?.job !== undefined)
          void pilot
            .carryOut(hint.job, hint.cur_retry ?? 0, (outcome) => over?.(outcome))
            .catch(() => undefined);
      },
      room: () => options.slots - pilot.used,
      sample: async () => ({ slots_used: pilot.used, jobs: [] }),
      tell: (told) => pilot.reports.send(told),
      onAway: () => undefined,
      onRenewed: () => undefined,
      onSilence: async () => undefined,
      onFenced: () => undefined,
      isIdle: () => true,
    });
    await pilot.link.firstAttached;
    return pilot;
  }

  async stop(): Promise<void> {
    await this.link.stop('the test is over');
    this.reports.close();
    await this.road.close();
  }

  private async carryOut(
    job: string,
    curRetry: number,
    over: (outcome: 'granted' | 'refused' | 'unknown') => void,
  ): Promise<void> {
    this.used += 1;
    try {
      const { grant, reason } = await this.reports.send({
        ...{ command_id: randomUUID(), claim: { job, cur_retry: curRetry } },
      });
      if (grant === undefined) {
        over(reason === 'unknown' ? 'unknown' : 'refused');
        return;
      }
      over('granted');
      await this.tell(startedOf(grant));
      await this.options.work?.(job);
      await this.tell({ command_id: `${grant.claim_id}.finished`, finished: finishedOf(grant) });
      this.finished.add(job);
    } finally {
      this.used -= 1;
      this.road.noteRoom();
    }
  }

  private async tell(told: PilotTold): Promise<void> {
    const answer = await this.reports.send(told);
    if (answer.is_success !== true) this.strange.push(answer);
  }
}

function startedOf({ job = '', claim_id = '', inputs = [] }: Grant): PilotTold {
  const process = { pid: 7, boot_id: 'boot', start_time: '1', inputs_checked: inputs.length };
  return { command_id: `${claim_id}.started`, started: { job, claim_id, ...process } };
}

function finishedOf({
  job = '',
  task,
  claim_id = '',
  attempt = 1,
  outputs = [],
  log = {},
}: Grant): JobFinished {
  const written = ({ uid = '', file_name = '' }) => ({
    ...{ uid, file_name, path: `${task ?? job}/${file_name.replace(/(\.[^.]*)?$/, `.a${attempt}$1`)}` },
    ...{ size: 0, check_sum: CHECK_SUM, sha256: SHA256 },
  });
  return {
    job,
    claim_id,
    exit_code: 0,
    outputs: outputs.map(written),
    log: written(log),
    wall_seconds: 0.001,
  };
}
