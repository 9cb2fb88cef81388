/**
 * What a command knows of the outside: its environment, where it writes, and whether it should end. Commands take it as
 * an argument, so that nothing below src/program.ts reaches for globals or installs a signal handler.
 *
 * stdout carries results and nothing else; messages go to stderr.
 */

/** A stream as Node has it in `process.stdout`. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string, done: (error?: Error | null) => void): boolean;
  on(event: 'error', listener: (error: Error) => void): unknown;
}

export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly out: Output;
  readonly err: Output;
  /** Aborts when the user ends the command (SIGINT, SIGTERM). */
  readonly interrupted: AbortSignal;
  /** The file of the executable, where that is another one than owl's own: what a command starts runs it as well. Absolute. */
  readonly program?: string;
}

/** Used where nobody says how wide the terminal is, as in a pipe. */
const USUAL_WIDTH = 80;
const NARROWEST = 40;
const USUAL_HEIGHT = 24;

/**
 * One output stream. A reader that goes away (`owl plot list | head`) is no error: what follows is dropped. Any other
 * failure, a full disk for instance, drops what follows too, and `failure` says why: a service must not die of its log.
 */
export class Output {
  private readonly stream: OutputStream;
  private readonly env: Terminal['env'];
  private readonly closing = new AbortController();
  private failed: Error | undefined;

  constructor(stream: OutputStream, env: Terminal['env']) {
    this.stream = stream;
    this.env = env;
    stream.on('error', (error) => this.close(error));
  }

  /** Aborts when this stream takes nothing more. */
  get closed(): AbortSignal {
    return this.closing.signal;
  }

  /** Why it was closed, unless its reader went away. */
  get failure(): Error | undefined {
    return this.failed;
  }

  get isTerminal(): boolean {
    return this.stream.isTTY === true;
  }

  /** In columns: of the terminal, else what COLUMNS says, else 80. */
  get width(): number {
    const width = this.stream.columns ?? Number(this.env['COLUMNS']);
    return Number.isInteger(width) && width > 0 ? Math.max(width, NARROWEST) : USUAL_WIDTH;
  }

  /** In lines. */
  get height(): number {
    return this.stream.rows || USUAL_HEIGHT;
  }

  /** Only a terminal gets colours, and not when NO_COLOR is set or TERM is dumb. */
  get hasColour(): boolean {
    const unwanted = this.env['NO_COLOR'] !== undefined && this.env['NO_COLOR'] !== '';
    return this.isTerminal && !unwanted && this.env['TERM'] !== 'dumb';
  }

  /** Resolves when it is written, so that a slow reader slows the writer and memory stays bounded. */
  async write(text: string): Promise<void> {
    if (this.closed.aborted) return;
    await new Promise<void>((resolve) => {
      this.stream.write(text, (error) => {
        if (error) this.close(error);
        resolve();
      });
    });
  }

  async line(text: string): Promise<void> {
    await this.write(`${text}\n`);
  }

  private close(error: Error): void {
    if (this.closed.aborted) return;
    const hasReaderLeft = 'code' in error && error.code === 'EPIPE';
    if (!hasReaderLeft) this.failed = error;
    this.closing.abort();
  }
}
