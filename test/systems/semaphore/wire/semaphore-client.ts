/** The service of semaphores as both ends have it: its proto file, its messages, and a client of it. */

import { join } from 'node:path';
import { PACKAGE_ROOT } from '../../../../src/base/package-root.js';
import { loadProtoFile, methodOf, serviceOf } from '../../../../src/wire/proto.js';
import { type Method, ServiceClient } from '../../../../src/wire/service-client.js';

export const SEMAPHORES = 'semaphore.Semaphores';

export interface HolderRequest {
  name?: string;
  holder?: string;
}

export interface CreateRequest {
  name?: string;
  capacity?: number;
}

export interface Permit {
  holder?: string;
  state?: string;
}

export interface Permits {
  permits?: Permit[];
}

export interface FollowRequest {
  name?: string;
  after?: string;
}

export interface PermitEvent {
  semaphore?: string;
  type?: string;
  holder?: string;
  problem?: string;
}

export interface Followed {
  events?: PermitEvent[];
  cursor?: string;
  caught_up?: boolean;
}

export function loadSemaphoreProto() {
  return loadProtoFile(join(PACKAGE_ROOT, 'test/systems/semaphore/semaphore.proto'));
}

export class SemaphoreClient extends ServiceClient {
  private readonly service = loadService();

  async create(request: CreateRequest): Promise<void> {
    await this.ask(this.service.create, request);
  }

  acquire(request: HolderRequest): Promise<Permit> {
    return this.ask(this.service.acquire, request);
  }

  async release(request: HolderRequest): Promise<void> {
    await this.ask(this.service.release, request);
  }

  permits(request: { name: string }): Promise<Permits> {
    return this.ask(this.service.permits, request);
  }

  followed(request: FollowRequest, signal?: AbortSignal): AsyncGenerator<Followed> {
    return this.follow(this.service.follow, request, {}, signal);
  }
}

interface Service {
  readonly create: Method<CreateRequest, object>;
  readonly acquire: Method<HolderRequest, Permit>;
  readonly release: Method<HolderRequest, object>;
  readonly permits: Method<{ name: string }, Permits>;
  readonly follow: Method<FollowRequest, Followed>;
}

function loadService(): Service {
  const definition = serviceOf(loadSemaphoreProto(), SEMAPHORES);
  return {
    create: methodOf(definition, 'create'),
    acquire: methodOf(definition, 'acquire'),
    release: methodOf(definition, 'release'),
    permits: methodOf(definition, 'permits'),
    follow: methodOf(definition, 'follow'),
  };
}
