/**
 * Who called, and what is still looked at while a call goes on. What admits calls (grpc-guard.ts) says so here, and what
 * handlers are made of (calls.ts) asks.
 */

/** Who called. */
export interface Peer {
  /** Without its port, as gRPC has it. */
  readonly address: string;
  /** For the history: the address, with the name before it where the caller had to say who it is: `shed-3@10.0.0.7`. */
  readonly who: string;
}

/** A call that was admitted, of a caller who had to say who it is. */
export interface Admission {
  readonly name: string | undefined;
  /** Of a stream: to be asked before each of its messages is looked at. @throws OwlError kind `unauthenticated` or `forbidden` */
  check?(request: unknown): void;
}

/** gRPC knows each call by an object of its own. */
const admissions = new WeakMap<object, Admission>();

export function admit(call: object, admission: Admission): void {
  admissions.set(call, admission);
}

export function admissionOf(call: object): Admission | undefined {
  return admissions.get(call);
}

/** gRPC hands the metadata of a call on as it came, and the call of a handler is another object than that of an interceptor. */
const connections = new WeakMap<object, string>();

export function cameOn(metadata: object, connection: string): void {
  connections.set(metadata, connection);
}

/** As `connectionOf` calls it. Of a call that came through the gate (call-gate.ts). */
export function connectionOfCall({ metadata }: { readonly metadata: object }): string {
  return connections.get(metadata) ?? '';
}

/** @param call any of gRPC's; `ipv4:127.0.0.1:40312` → `127.0.0.1`: the port says nothing to an auditor */
export function peerOf(call: { getPeer(): string }): Peer {
  const address = addressOf(call.getPeer());
  const name = admissions.get(call)?.name;
  return { address, who: name === undefined ? address : `${name}@${address}` };
}

export function addressOf(peer: string): string {
  const end = peer.lastIndexOf(':');
  return (end > 0 ? peer.slice(0, end) : peer).replace(/^ipv[46]:/, '');
}
