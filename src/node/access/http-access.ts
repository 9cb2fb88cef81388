/**
 * Who may ask for an operation over HTTP.
 *
 * Guarantee: what changes something is done for nobody who does not show who it is, however the node is configured: any page in a
 * browser on this machine, and any program there, reaches it.
 */

import type { Authorise } from '../operations/authorise.js';
import { methodAccessOf } from '../operations/grpc-handlers.js';
import type { Operation } from '../operations/operation.js';
import type { Access } from './access.js';
import { Admitted } from './admitted.js';
import type { MethodAccess } from './roles.js';

const OPEN = { name: undefined, check: () => undefined };

/** @param isAsBefore whether its peers called its service before there were credentials */
export function httpAuthorise(access: Access, isAsBefore: (operation: Operation) => boolean): Authorise {
  return (operation, { address, authorization, certificate }, request) => {
    const declared = httpAccessOf(operation, isAsBefore(operation));
    if (access.isOpenTo(declared)) return OPEN;
    const name = `${operation.service}/${operation.name} over HTTP`;
    const admitted = new Admitted(name, access, declared, () =>
      access.identify({ address, authorization, certificate }),
    );
    const check = () => admitted.check(request);
    check();
    return { name: admitted.name, check };
  };
}

function httpAccessOf(operation: Operation, isAsBefore: boolean): MethodAccess {
  const declared = methodAccessOf(operation);
  if (operation.kind === 'decision') return { ...declared, withoutCredentials: 'never' };
  return isAsBefore ? { withoutCredentials: 'as-before', ...declared } : declared;
}
