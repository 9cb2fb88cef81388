/**
 * An operation is what a system can be asked for, declared once: its gRPC handler (grpc-handlers.ts), its HTTP route and its part
 * of the OpenAPI document (src/node/serving/http/) follow from it.
 *
 * Guarantees: both roads read a request by the same schema, and refuse it with the same words and every problem at once
 * (read-request.ts); who may ask is said where it is declared. The proto file stays the contract: a test compares each schema
 * with its messages.
 */

import type { z } from 'zod';
import type { Role } from '../access/roles.js';
import type { EncodedMessage } from '../serving/encoded.js';
import { readRequest } from './read-request.js';

export interface HttpRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Below `/api/v1/<name of the system>`; fields of the request in braces: `/plot-tasks/{task_id}/retry`. Fixed words first. */
  readonly path: string;
  /** The largest body. Default 1 MiB; 16 MiB at the most. */
  readonly bodyBytes?: number;
  /** Of a decision that is answered: 201 where it makes something, 202 where it only begins something. Default 200. */
  readonly success?: 201 | 202;
  /** Of a 202: a field of the answer, and at which of its values nothing is left to happen: then it is 200. */
  readonly over?: { readonly field: string; readonly at: readonly string[] };
  /** A list of the request that may be the body by itself, as an array, or as the one entry that it has. */
  readonly bodyList?: string;
  /** Fields that stand in the query, though the others have a body. */
  readonly inQuery?: readonly string[];
  /**
   * The answer is a piece of something larger: it is told as its bytes, and a `Range` is understood, unless JSON is asked for. Its
   * request has `offset` and `length`, its answer `content`, `offset`, `size` and `complete` (src/node/serving/http/piece.ts).
   */
  readonly isPiece?: true;
}

/** How who was cut off goes on behind what it was given last. */
export interface Resumption<Request, Answer> {
  /** What stands for the place of an answer: one line. Undefined where nothing can be gone on from. */
  idOf(answer: Answer): string | undefined;
  /** @throws InvalidFieldError when that is no id of an answer */
  after(request: Request, id: string): Request;
}

export interface Operation<
  Request extends z.ZodObject = z.ZodObject,
  Answer extends z.ZodObject = z.ZodObject,
> {
  /** The full name of the gRPC service. */
  readonly service: string;
  /** The method as the proto file has it. */
  readonly name: string;
  /** A decision changes something. */
  readonly kind: 'decision' | 'query';
  /** Each of them may ask. */
  readonly roles: readonly [Role, ...Role[]];
  /** A caller chooses a program to run by it: nobody without credentials is ever served. */
  readonly choosesProgram?: true;
  /** Of a decision of workers: the field that names whom the request speaks for. Without it who is limited to a worker may not ask. */
  readonly worker?: keyof z.output<Request> & string;
  readonly http: HttpRoute;
  /** One line. */
  readonly summary: string;
  readonly description?: string;
  readonly request: Request;
  /** Of each answer, where there is a stream of them. */
  readonly answer: Answer;
  /** A stream of answers instead of one. */
  readonly isStream?: true;
  /** Of a stream: left out, who comes back begins anew. */
  readonly resumption?: Resumption<z.output<Request>, z.output<Answer>>;
  /** The field that holds the id of the command, which HTTP makes from the Idempotency-Key. */
  readonly commandId?: keyof z.output<Request> & string;
  /** The field that holds the id of what is created, which HTTP makes from the same key where none is given. */
  readonly creates?: keyof z.output<Request> & string;
  /** It is about one and the same thing whatever the request says, so a key needs nothing else that tells what it is about. */
  readonly isOfOneThing?: true;
  /** For contracts whose gRPC peers expect a refusal as an answer. HTTP tells it as a problem. */
  readonly inBand?: (reason: string) => z.input<Answer>;
}

/** Who asks, over whichever road. */
export interface Asking {
  /** Of the peer, without its port. */
  readonly address: string;
  /** For the history: the address, with the name of the caller before it where it is known. */
  readonly who: string;
  /** Aborts when the peer is gone, and when it has been given its answer. */
  readonly over: AbortSignal;
  /** To be told whether what is answered had been carried out before. */
  repeated(duplicate: boolean): void;
}

type Answers<Answer extends z.ZodObject> = z.input<Answer> | EncodedMessage;

/** An operation with what carries it out. What is given to it is checked here. */
export interface ServedOperation {
  readonly operation: Operation;
  readonly handle:
    | { answer(request: unknown, asking: Asking): Promise<object> }
    | { follow(request: unknown, asking: Asking): AsyncIterable<object> };
  /** The request behind an id of `resumption`. @throws InvalidFieldError */
  after(request: unknown, id: string): object;
  /** @param answer as the wire has it */
  idOf(answer: unknown): string | undefined;
}

/** What there is to know of an operation before anything is opened. Its types follow. */
export function operation<Request extends z.ZodObject, Answer extends z.ZodObject>(
  declared: Operation<Request, Answer>,
): Operation<Request, Answer> {
  return declared;
}

/** @param answer is given a request that has passed its schema */
export function answered<Request extends z.ZodObject, Answer extends z.ZodObject>(
  declared: Operation<Request, Answer>,
  answer: (request: z.output<Request>, asking: Asking) => Promise<Answers<Answer>>,
): ServedOperation {
  return {
    ...served(declared),
    handle: { answer: async (request, asking) => answer(readRequest(declared.request, request), asking) },
  };
}

/** The same of a stream, which ends with `over`. */
export function followed<Request extends z.ZodObject, Answer extends z.ZodObject>(
  declared: Operation<Request, Answer>,
  follow: (request: z.output<Request>, asking: Asking) => AsyncIterable<Answers<Answer>>,
): ServedOperation {
  async function* checked(request: unknown, asking: Asking): AsyncGenerator<object> {
    yield* follow(readRequest(declared.request, request), asking);
  }
  return { ...served(declared), handle: { follow: checked } };
}

function served<Request extends z.ZodObject, Answer extends z.ZodObject>(
  declared: Operation<Request, Answer>,
): Omit<ServedOperation, 'handle'> {
  const { resumption, request: schema, answer: answerSchema } = declared;
  return {
    operation: declared,
    after: (request, id) => {
      const read = readRequest(schema, request);
      return resumption?.after(read, id) ?? read;
    },
    idOf: (answer) => resumption?.idOf(answerSchema.parse(answer)),
  };
}
