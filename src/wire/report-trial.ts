/**
 * One report on a call of its own: whatever becomes of the call is that report's doing and harms no other.
 */

/** A two-way stream of a client, as far as reports need one. */
export interface ReportCall<Message, Answers> {
  on(event: 'data', listener: (answers: Answers) => void): unknown;
  on(event: 'error', listener: (error: unknown) => void): unknown;
  on(event: 'end', listener: () => void): unknown;
  write(message: Message): unknown;
  /** Nothing more is written. */
  end(): unknown;
  cancel(): void;
}

/** What every answer says. */
export interface Answered {
  seq?: number;
  is_success?: boolean;
  /** It passes by itself. */
  retryable?: boolean;
}

/** The answer; or how the call ended without one, `error` undefined when that was in order. */
export type TrialOutcome<Answer> = { readonly answer: Answer } | { readonly error: unknown };

export interface Trial<Message, Answers, Answer> {
  /** Opens a call. */
  readonly open: () => ReportCall<Message, Answers>;
  readonly message: Message;
  readonly seq: number;
  readonly answersIn: (answers: Answers) => readonly Answer[];
  /** Cancels it. */
  readonly signal: AbortSignal;
}

/** Never rejects. */
export function tryAlone<Message, Answers, Answer extends Answered>(
  trial: Trial<Message, Answers, Answer>,
): Promise<TrialOutcome<Answer>> {
  const { open, message, answersIn, signal } = trial;
  return new Promise((resolve) => {
    const call = openedOr(open, (error) => resolve({ error }));
    if (call === undefined) return;
    const cancel = (): void => call.cancel();
    const finish = (outcome: TrialOutcome<Answer>): void => {
      signal.removeEventListener('abort', cancel);
      resolve(outcome);
    };
    signal.addEventListener('abort', cancel, { once: true });
    call.on('data', (answers: Answers) => {
      const answer = answersIn(answers).find(({ seq = 0 }) => seq === trial.seq);
      if (answer !== undefined) finish({ answer });
    });
    call.on('error', (error: unknown) => finish({ error }));
    call.on('end', () => finish({ error: undefined }));
    call.write(message);
    call.end();
  });
}

/** Without a connection there may be no call at all. */
function openedOr<Call>(open: () => Call, failed: (error: unknown) => void): Call | undefined {
  try {
    return open();
  } catch (error) {
    failed(error);
    return undefined;
  }
}
