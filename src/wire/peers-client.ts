/** The methods of owl.Peers: what a peer of any system asks about its lease. Guarantees: see ServiceClient. */

import type {
  PeerAttachRequest,
  PeerBeatRequest,
  PeerLease,
  PeerLeaveRequest,
  PeerList,
} from './peer-messages.js';
import { loadProto, methodOf, serviceOf } from './proto.js';
import { type Method, ServiceClient } from './service-client.js';

interface Service {
  readonly attach: Method<PeerAttachRequest, PeerLease>;
  readonly beat: Method<PeerBeatRequest, PeerLease>;
  readonly leave: Method<PeerLeaveRequest, object>;
  readonly list: Method<{ category?: string }, PeerList>;
}

export class PeersClient extends ServiceClient {
  private readonly service: Service = loadService();

  attach(request: PeerAttachRequest, withinMs?: number): Promise<PeerLease> {
    return this.ask(this.service.attach, request, withinMs);
  }

  beat(request: PeerBeatRequest, withinMs?: number): Promise<PeerLease> {
    return this.ask(this.service.beat, request, withinMs);
  }

  async leave(request: PeerLeaveRequest): Promise<void> {
    await this.ask(this.service.leave, request);
  }

  list(request: { category?: string } = {}): Promise<PeerList> {
    return this.ask(this.service.list, request);
  }
}

function loadService(): Service {
  const definition = serviceOf(loadProto('runtime'), 'owl.Peers');
  return {
    attach: methodOf(definition, 'attach'),
    beat: methodOf(definition, 'beat'),
    leave: methodOf(definition, 'leave'),
    list: methodOf(definition, 'list'),
  };
}
