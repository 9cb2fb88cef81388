/** What grpc-js leaves to whoever connects: names for addresses, and words for why there is no connection. */

import { isIP } from 'node:net';

/**
 * For a connection to an IP address, which TLS can't be told as a name: Node warns of that in the log. What is shown has to be
 * compared with the address all the same, by a `checkServerIdentity` of whoever connects.
 */
export function targetNameFor(host: string): { 'grpc.ssl_target_name_override'?: string } {
  return isIP(host) === 0 ? {} : { 'grpc.ssl_target_name_override': 'owl.invalid' };
}

/** The reason alone, `connect ECONNREFUSED 127.0.0.1:2113`, of what grpc-js says of it. */
export function reasonOfNoConnection(details: string): string {
  return details.replace(/^.*Last error: (Error: )?/s, '').replace(/\.? Resolution note:.*$/s, '');
}

/** Hands were not shaken, since what the other side showed is not believed. */
export function isAboutCertificate(details: string): boolean {
  return /certificate|altnames/i.test(details);
}
