/**
 * A message of a pilot, as the call that gRPC would have carried.
 *
 * Guarantee: its body goes by proto/workload.proto before anybody looks at it, so a field has the type that it has there, whoever sent
 * it, and the same is taken or refused as of a pilot that speaks gRPC.
 */

import { messageOf } from '../../../../base/errors.js';
import * as rules from '../../../../base/field-rules.js';
import type { Attaching } from '../../../../peers/served-peers.js';
import { loadProto, methodOf, serviceOf } from '../../../../wire/proto.js';
import { type Envelope, type PilotType, PoisonMessageError } from '../../wire/amqp/envelope.js';
import type { PilotReport } from '../pilots/report-messages.js';

type Body = Envelope['body'];

export interface InputsRequest {
  job?: string;
  claim_id?: string;
  from?: number;
}

const LONGEST_BODY = 16_384;
const isProtocol = rules.isWhole(1, 2 ** 31 - 1);

/** What each says, as a field of PilotReport. */
const FIELD_OF: Partial<Record<PilotType, keyof PilotReport>> = {
  'job.claim': 'claim',
  'job.started': 'started',
  'job.finished': 'finished',
  'job.failed': 'failed',
  'job.cancelled': 'cancelled',
  'log.piece': 'log',
};

const service = serviceOf(loadProto('workload'), 'workload.PilotManager');
const reports = methodOf(service, 'report');
const inputs = methodOf(service, 'job_inputs');

/** Undefined for what is no report. @throws PoisonMessageError for a body that is none of its type */
export function reportOf({ type, messageId, body }: Envelope & { type: PilotType }): PilotReport | undefined {
  const who = { pilot: body['pilot'], session_id: body['session_id'] };
  if (type === 'pilot.heartbeat') return typed(reports, { ...who, sample: body['sample'] ?? {} }, type);
  const field = FIELD_OF[type];
  if (field === undefined) return undefined;
  return typed(reports, { ...who, command_id: messageId, [field]: body }, type);
}

/** @throws PoisonMessageError */
export function inputsRequestOf({ type, body }: Envelope): InputsRequest {
  return typed(inputs, body, type);
}

/** What the message is about, where it is about a job. */
export function jobIn({ claim, started, finished, failed, cancelled }: PilotReport): string | undefined {
  return (claim ?? started ?? finished ?? failed ?? cancelled)?.job;
}

/** @throws InvalidFieldError */
export function attachingOf(body: Body, pilot: string, sessionId: string): Attaching {
  const min = rules.givenNumber('protocol_min', numberOf(body['protocol_min']), isProtocol);
  const isAsNew = rules.isWhole(min, 2 ** 31 - 1);
  const max = rules.givenNumber('protocol_max', numberOf(body['protocol_max']), isAsNew);
  const said = body['body'] === undefined ? '' : JSON.stringify(body['body']);
  return {
    ...{ peerId: pilot, sessionId, protocols: { min, max } },
    host: rules.optional('host', textOf(body['host']), rules.isLine(255)),
    pid: rules.optionalNumber('pid', numberOf(body['pid']), rules.isPid),
    version: rules.optional('version', textOf(body['version']), rules.isLine(64)),
    body: rules.optional('body', said, rules.isText(LONGEST_BODY)) ?? '',
  };
}

export function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

function typed(
  { requestSerialize, requestDeserialize }: typeof reports,
  message: object,
  type: string,
): object {
  try {
    return requestDeserialize(requestSerialize(message));
  } catch (error) {
    throw new PoisonMessageError(`the body is no ${type}: ${messageOf(error)}`, { cause: error });
  }
}
