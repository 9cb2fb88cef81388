/** Calls of a node's workload services as its proto file has them, for pilots that are none. */

import type { ClientDuplexStream } from '@grpc/grpc-js';
import type {
  PilotReport,
  PilotReportAnswers,
  WorkRequest,
} from '../../../../src/systems/workload/service/pilots/report-messages.js';
import type { WorkMessage } from '../../../../src/systems/workload/service/pilots/work-streams.js';
import { loadProto, methodOf, serviceOf } from '../../../../src/wire/proto.js';
import { type Method, ServiceClient } from '../../../../src/wire/service-client.js';

const proto = loadProto('workload');

export class JobsClient extends ServiceClient {
  call(name: string, request: object = {}): Promise<object> {
    const method: Method<object, object> = methodOf(serviceOf(proto, 'workload.JobManager'), name);
    return this.ask(method, request);
  }
}

export class AnyClient extends ServiceClient {
  async call(service: string, name: string, request: object): Promise<Readonly<Record<string, unknown>>> {
    const method: Method<object, object> = methodOf(serviceOf(proto, `workload.${service}`), name);
    return { ...(await this.ask(method, request)) };
  }
}

export class PilotsClient extends ServiceClient {
  call(name: string, request: object = {}): Promise<object> {
    const method: Method<object, object> = methodOf(serviceOf(proto, 'workload.PilotManager'), name);
    return this.ask(method, request);
  }

  work(request: WorkRequest, signal: AbortSignal): AsyncGenerator<WorkMessage> {
    const method: Method<WorkRequest, WorkMessage> = methodOf(
      serviceOf(proto, 'workload.PilotManager'),
      'work',
    );
    return this.follow(method, request, {}, signal);
  }

  report(): ClientDuplexStream<PilotReport, PilotReportAnswers> {
    const method: Method<PilotReport, PilotReportAnswers> = methodOf(
      serviceOf(proto, 'workload.PilotManager'),
      'report',
    );
    return this.openDuplex(method);
  }
}
