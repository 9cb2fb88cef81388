/** The methods of Node: what any node on the runtime tells of itself and lets its operators do. Guarantees: see ServiceClient. */

import type { NodeStatus, RebuildRequest, RedriveRequest, RedriveResponse } from './node-messages.js';
import { loadProto, methodOf, serviceOf } from './proto.js';
import { type Method, ServiceClient } from './service-client.js';

interface Service {
  readonly status: Method<object, NodeStatus>;
  readonly redrive: Method<RedriveRequest, RedriveResponse>;
  readonly rebuild: Method<RebuildRequest, object>;
}

export class NodeClient extends ServiceClient {
  private readonly service: Service = loadService();

  status(): Promise<NodeStatus> {
    return this.ask(this.service.status, {});
  }

  /** Takes as long as there are parked events to be applied. */
  redrive(request: RedriveRequest): Promise<RedriveResponse> {
    return this.ask(this.service.redrive, request, Number.POSITIVE_INFINITY);
  }

  /** Resolves when the read model is rebuilt, which takes as long as the history is. Giving up here does not end it there. */
  async rebuild(request: RebuildRequest): Promise<void> {
    await this.ask(this.service.rebuild, request, Number.POSITIVE_INFINITY);
  }
}

function loadService(): Service {
  const definition = serviceOf(loadProto('runtime'), 'owl.Node');
  return {
    status: methodOf(definition, 'node_status'),
    redrive: methodOf(definition, 'redrive'),
    rebuild: methodOf(definition, 'rebuild'),
  };
}
