/** One append as a call of its own, for servers without batch append. */

import { CallError, callErrorOf } from '../connection/call-error.js';
import type { Link } from '../connection/link.js';
import { shared, streams } from '../connection/protocol.js';
import { positionOf } from '../reads/positions.js';
import type { EncodedAppend, WriteAnswer } from './append-messages.js';
import { expectSingle } from './append-messages.js';

/**
 * @param deadline in running time
 * @throws CallError
 */
export function appendSingly(link: Link, append: EncodedAppend, deadline: number): Promise<WriteAnswer> {
  return new Promise((resolve, reject) => {
    const call = link.streams.append(link.metadata(), link.until(deadline), (error, response) => {
      if (error !== null) return reject(callErrorOf(error));
      const answer = answerOf(response);
      if (answer === undefined)
        return reject(new CallError('unexpected', 'the server answered an append with nothing'));
      resolve(answer);
    });
    for (const request of requestsOf(append)) call.write(request);
    call.end();
  });
}

function answerOf(response: streams.AppendResp): WriteAnswer | undefined {
  const success = response.getSuccess();
  if (success !== undefined) {
    return {
      stored: true,
      revision: Number(success.getCurrentRevision()),
      position: positionOf(success.getPosition()),
    };
  }
  const conflict = response.getWrongExpectedVersion();
  if (conflict === undefined) return undefined;
  return {
    stored: false,
    actual: conflict.hasCurrentRevision() ? Number(conflict.getCurrentRevision()) : null,
  };
}

function* requestsOf(append: EncodedAppend): Generator<streams.AppendReq> {
  const options = expectSingle(new streams.AppendReq.Options(), append.expected);
  options.setStreamIdentifier(
    new shared.StreamIdentifier().setStreamName(Buffer.from(append.stream, 'utf8')),
  );
  yield new streams.AppendReq().setOptions(options);
  for (const event of append.events) {
    const message = new streams.AppendReq.ProposedMessage();
    message
      .setId(new shared.UUID().setString(event.id))
      .setData(event.data)
      .setCustomMetadata(event.metadata);
    message.getMetadataMap().set('type', event.type).set('content-type', 'application/json');
    yield new streams.AppendReq().setProposedMessage(message);
  }
}
