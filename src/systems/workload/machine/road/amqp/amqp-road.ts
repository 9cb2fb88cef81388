/**
 * The way to a node over a broker: what the pilot tells goes to the queue of all pilots, what it is told comes from one of its own,
 * and hints from that of its device. It needs no address of a node, nor does the node have to be there.
 *
 * Guarantees: with the broker away nothing is lost that was to be told, and what runs goes on; an answer is taken for the request
 * that it names alone, so one that comes late confirms no heartbeat that was sent after it, and one that is lost is asked for again;
 * what can't be read is put with the dead, told once, and the next is taken.
 */

import { randomUUID } from 'node:crypto';
import type { Message } from 'amqplib';
import type { Logger } from 'pino';
import { untilAborted } from '../../../../../base/backoff.js';
import type { Clock } from '../../../../../base/clock.js';
import { messageOf, OwlError } from '../../../../../base/errors.js';
import { ToldFailures } from '../../../../../base/told-failures.js';
import type { LeaseCalls } from '../../../../../peers/holder/lease-holder.js';
import { type PeerGrant, termsOf } from '../../../../../peers/holder/peer-calls.js';
import type { PeerAttachRequest } from '../../../../../wire/peer-messages.js';
import { Broker } from '../../../wire/amqp/broker.js';
import { type BrokerPlace, connectOptions } from '../../../wire/amqp/broker-address.js';
import type { OpenedChannel } from '../../../wire/amqp/broker-channel.js';
import { decode, encode, MANAGER_TYPES, type PilotType } from '../../../wire/amqp/envelope.js';
import {
  declarePilotQueue,
  EVENTS_DEAD,
  EXCHANGE,
  jobsQueue,
  PILOT_EVENTS,
  pilotQueue,
} from '../../../wire/amqp/topology.js';
import { pilotReports } from '../../../wire/pilot-client.js';
import type { Hint, JobInputs, JobInputsRequest, Work } from '../../../wire/pilot-messages.js';
import type { HintOver } from '../../hints.js';
import type { Hearing, PilotRoad, Reports, Session } from '../pilot-road.js';
import { HintConsumers } from './hint-consumers.js';
import {
  assertAnswer,
  inputsIn,
  type LeaseTold,
  leaseIn,
  refusalError,
  refusalIn,
  workIn,
} from './messages-to-pilots.js';
import { ReportsOverBroker } from './reports-over-broker.js';
import { type Answer, type Request, Requests } from './requests.js';

const NO_QUEUE = new OwlError(
  'unavailable',
  `nobody has declared ${PILOT_EVENTS} at the broker: no node of it with workload.broker has begun yet`,
);
/** As long as an attempt may wait for the rest of its inputs. */
const INPUTS_WITHIN_MS = 60_000;

export interface AmqpRoadOptions {
  readonly broker: BrokerPlace;
  readonly pilot: string;
  readonly device: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class AmqpRoad implements PilotRoad {
  readonly place: string;
  private readonly options: AmqpRoadOptions;
  private readonly broker: Broker;
  private readonly requests: Requests;
  private readonly failures: ToldFailures;
  private hearing: Hearing | undefined;
  private consumers: HintConsumers | undefined;
  private session: () => string = () => '';
  private asked = 0;

  /** @throws OwlError kind `invalid` when the place can't be meant, or its password can't be read */
  constructor(options: AmqpRoadOptions) {
    const { broker, pilot, clock, logger } = options;
    connectOptions(broker);
    this.place = broker.url;
    this.options = options;
    this.failures = new ToldFailures(logger);
    this.requests = new Requests(clock, (type, withinMs) => this.late(type, withinMs));
    this.broker = new Broker({ ...broker, name: `owl pilot ${pilot}`, clock, logger });
    this.broker.channel({
      name: 'pilot',
      begin: (opened) => this.begin(opened),
      ended: () => this.requests.away(),
    });
    this.broker.start();
  }

  lease(who: PeerAttachRequest, hearing: Hearing): LeaseCalls<PeerGrant> {
    const { category: _, peer_id: pilot = '', session_id = '', body = '{}', ...more } = who;
    const session = { pilot, session_id };
    const granted = (lease: LeaseTold): PeerGrant => {
      if (lease.draining !== undefined) hearing.onWork({ drain: lease.draining });
      return { ...termsOf(lease), protocol: lease.protocol ?? 0 };
    };
    const register = { ...session, ...more, body: JSON.parse(body) };
    return {
      attach: async (withinMs) => granted(await this.leased('pilot.register', register, withinMs)),
      beat: async ({ protocol }, withinMs) => {
        const beat = { ...session, sample: await hearing.sample() };
        return { ...granted(await this.leased('pilot.heartbeat', beat, withinMs)), protocol };
      },
      leave: async (_grant, reason) => {
        await this.ask('pilot.bye', this.idOf(session_id), { ...session, reason });
      },
    };
  }

  async serve(
    { sessionId: _ }: Session,
    _beatMs: number,
    hearing: Hearing,
    signal: AbortSignal,
  ): Promise<void> {
    const { device, clock, logger } = this.options;
    const away = new AbortController();
    const unfollow = this.broker.onChange(({ isConnected, reason }) => {
      if (!isConnected) away.abort(new OwlError('unavailable', `the broker is away: ${reason}`));
    });
    const hints = {
      ...{ queue: jobsQueue(device), room: () => hearing.room(), clock, logger },
      onHint: (hint: Hint, over: HintOver) => hearing.onWork({ hint }, over),
    };
    this.hearing = hearing;
    const channel = this.broker.channel({
      name: 'hints',
      begin: async (opened) => {
        this.consumers = new HintConsumers(hints, opened);
        this.consumers.adjust();
      },
      ended: () => this.consumers?.close(),
    });
    try {
      await untilAborted(AbortSignal.any([signal, away.signal]));
    } finally {
      unfollow();
      this.hearing = undefined;
      this.consumers?.close();
      this.consumers = undefined;
      this.broker.drop(channel);
    }
    away.signal.throwIfAborted();
  }

  reports(pilot: string, session: () => string): Reports {
    const { clock, logger } = this.options;
    this.session = session;
    return pilotReports(pilot, session, {
      open: () => new ReportsOverBroker(this.requests),
      explain: (error) => (error instanceof OwlError ? error : new OwlError('unavailable', messageOf(error))),
      ...{ clock, logger },
    });
  }

  async jobInputs(request: JobInputsRequest): Promise<JobInputs> {
    const body = { pilot: this.options.pilot, session_id: this.session(), ...request };
    const { body: page } = await this.ask('job.inputs', randomUUID(), body, INPUTS_WITHIN_MS);
    return inputsIn(page);
  }

  noteRoom(): void {
    this.consumers?.adjust();
  }

  async close(): Promise<void> {
    this.requests.close();
    await this.broker.close();
  }

  private async leased(type: PilotType, body: Request['body'], withinMs: number): Promise<LeaseTold> {
    // An id for each sending: an answer that has waited in its queue must confirm no later one.
    const { body: lease } = await this.ask(type, this.idOf(String(body['session_id'])), body, withinMs);
    return leaseIn(lease);
  }

  private idOf(session: string): string {
    this.asked += 1;
    return `${session}.${this.asked}`;
  }

  /** @throws OwlError as the node has refused it */
  private async ask(
    type: PilotType,
    messageId: string,
    body: Request['body'],
    withinMs?: number,
  ): Promise<Answer> {
    const answer = await this.requests.ask(
      { type, messageId, body },
      withinMs === undefined ? {} : { withinMs },
    );
    if (answer.type === 'refused') throw refusalError(refusalIn(answer.body));
    return answer;
  }

  private async begin(opened: OpenedChannel): Promise<void> {
    const { pilot } = this.options;
    await declarePilotQueue(opened.raw, pilot);
    await opened.listen(pilotQueue(pilot), (message) => this.take(message, opened));
    this.requests.connected((request) => this.send(request, opened));
  }

  private send(request: Request, opened: OpenedChannel): void {
    const { clock } = this.options;
    const encoded = encode(request, clock.now());
    opened.send(EXCHANGE, PILOT_EVENTS, encoded.content, encoded.options).then(
      (isTaken) => {
        if (isTaken) this.failures.forget(PILOT_EVENTS);
        else this.failures.tell(PILOT_EVENTS, NO_QUEUE, 'what the pilot tells is kept and told again');
      },
      // It is sent again over the next connection.
      () => undefined,
    );
  }

  private take(message: Message, opened: OpenedChannel): void {
    let answer: Answer;
    let work: Work | undefined;
    try {
      answer = decode(message, MANAGER_TYPES);
      work = workIn(answer);
      if (work === undefined) assertAnswer(answer);
    } catch (error) {
      this.bury(message, opened, error);
      return;
    }
    if (work === undefined) this.requests.answered(answer);
    else this.hearing?.onWork(work);
  }

  /** The queue of a pilot has no dead of its own: what nobody has read in time goes without a trace. */
  private bury({ content, properties }: Message, opened: OpenedChannel, error: unknown): void {
    this.failures.tell(
      'poison',
      error,
      'a message to this pilot can not be read; it goes to the dead letters',
      {
        queue: pilotQueue(this.options.pilot),
      },
    );
    const { headers = {}, type } = properties;
    const options = { type, persistent: true, headers: { ...headers, 'owl-reason': messageOf(error) } };
    // Where the connection breaks meanwhile nobody looks at it: whoever sent it hears nothing, and tells it again.
    opened.send(EXCHANGE, EVENTS_DEAD, content, options).catch(() => undefined);
  }

  private late(type: PilotType, withinMs: number): OwlError {
    const { isConnected, reason = '' } = this.broker.now;
    const { url } = this.options.broker;
    return new OwlError(
      'unavailable',
      isConnected
        ? `no node has answered ${type} over the broker ${url} within ${withinMs / 1000} s`
        : `the broker ${url} is away: ${reason}`,
    );
  }
}
