/**
 * How far a long command is, on stderr: at a terminal one line that is written over, elsewhere a plain line now and
 * then, so that a log of CI has few of them. Nothing with -q, and nothing for what is quick.
 */
import type { Session } from "./command.ts";

const FIRST_MS = 1_000;
const TERMINAL_MS = 100;
const PIPE_MS = 10_000;

export class Progress {
  readonly #session: Session;
  readonly #verb: string;
  #nextMs: number;
  #isShown = false;

  /** @param verb before what is shown, e.g. "sent" */
  constructor(session: Session, verb: string) {
    this.#session = session;
    this.#verb = verb;
    this.#nextMs = session.io.clock.nowMs() + FIRST_MS;
  }

  show(text: string): void {
    const { io, flags } = this.#session;
    const nowMs = io.clock.nowMs();
    if (flags.isQuiet || nowMs < this.#nextMs) return;
    const isTerminal = io.stderr.isTTY === true && io.environment["TERM"] !== "dumb";
    io.stderr.write(isTerminal ? `\r\u001b[K${this.#verb} ${text}` : `${this.#verb} ${text}\n`);
    this.#isShown = isTerminal;
    this.#nextMs = nowMs + (isTerminal ? TERMINAL_MS : PIPE_MS);
  }

  /** Leaves the line empty for what comes. */
  end(): void {
    if (this.#isShown) this.#session.io.stderr.write("\r\u001b[K");
    this.#isShown = false;
  }
}
