/** What the benchmark of workloads needs to go over a broker: a RabbitMQ, one of its own if wanted, and a pilot without processes that speaks AMQP. */

import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { systemClock } from '../src/base/clock.js';
import { PilotLink } from '../src/systems/workload/machine/pilot-link.js';
import { AmqpRoad } from '../src/systems/workload/machine/road/amqp/amqp-road.js';
import type { Reports } from '../src/systems/workload/machine/road/pilot-road.js';
import type { BrokerPlace } from '../src/systems/workload/wire/amqp/broker-address.js';
import type { Work } from '../src/systems/workload/wire/pilot-messages.js';
import { freePorts, RabbitMq } from '../test/support/rabbitmq.js';
import { cpuSecondsOfGroup } from './cpu-times.js';
import { finishedOf, startedOf } from './workload-pilot.js';

const logger = pino({ level: 'silent' });

export interface BenchBroker extends BrokerPlace {
  /** Of processor time, where it is one of the benchmark's own. */
  cpuSeconds(): number;
  stop(): Promise<void>;
}

/** @param where an address, its password in the file of OWL_WORKLOAD_BROKER_PASSWORD_FILE, or `start` for a RabbitMQ that ends with the benchmark */
export async function openBroker(where: string): Promise<BenchBroker> {
  const passwordFile = process.env['OWL_WORKLOAD_BROKER_PASSWORD_FILE'];
  const nothing = { cpuSeconds: () => Number.NaN, stop: async () => undefined };
  if (where !== 'start') return { url: where, passwordFile, ...nothing };
  const directory = mkdtempSync(join(tmpdir(), 'owl-rabbitmq-'));
  const rabbit = new RabbitMq(directory, await freePorts());
  await rabbit.start();
  return {
    ...{ url: rabbit.url(), passwordFile: rabbit.passwordFile },
    cpuSeconds: () => cpuSecondsOfGroup(rabbit.group),
    async stop() {
      await rabbit.stop();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export class BrokerPilot {
  finished = 0;
  /** Samples that it has told. */
  samples = 0;
  /** When each job was told as started, by its uid. Milliseconds of `performance.now`. */
  readonly startedAt = new Map<string, number>();
  private readonly slots: number;
  private readonly road: AmqpRoad;
  private readonly link: PilotLink;
  private readonly reports: Reports;
  private used = 0;

  constructor(broker: BrokerPlace, name: string, slots: number, executable: string) {
    this.slots = slots;
    this.road = new AmqpRoad({ broker, pilot: name, device: 'cpu', clock: systemClock, logger });
    this.link = new PilotLink({
      ...{ road: this.road, name, version: '1', graceSeconds: 1, clock: systemClock, logger },
      body: { device_type: 'cpu', slots, executables: [executable], instance: name },
    });
    this.reports = this.road.reports(name, () => this.link.attachedSession);
  }

  async start(): Promise<void> {
    this.link.start({
      onWork: ({ hint }: Work, over) => {
        if (hint?.job === undefined) return;
        this.carryOut(hint.job, hint.cur_retry ?? 0, (outcome) => over?.(outcome)).catch((error: unknown) =>
          console.error(error),
        );
      },
      room: () => this.slots - this.used,
      sample: async () => {
        this.samples += 1;
        return { slots_used: this.used, jobs: [] };
      },
      tell: (told) => this.reports.send(told),
      onAway: () => undefined,
      onRenewed: () => undefined,
      onSilence: async () => undefined,
      onFenced: () => undefined,
      isIdle: () => true,
    });
    await this.link.firstAttached;
  }

  async stop(): Promise<void> {
    await this.link.stop('the benchmark is over');
    this.reports.close();
    await this.road.close();
  }

  private async carryOut(job: string, curRetry: number, over: (outcome: 'granted' | 'refused') => void) {
    this.used += 1;
    try {
      const { grant } = await this.reports.send({
        ...{ command_id: randomUUID(), claim: { job, cur_retry: curRetry } },
      });
      over(grant === undefined ? 'refused' : 'granted');
      if (grant === undefined) return;
      await this.reports.send(startedOf(grant));
      this.startedAt.set(job, performance.now());
      await this.reports.send(finishedOf(grant));
      this.finished += 1;
    } finally {
      this.used -= 1;
      this.road.noteRoom();
    }
  }
}
