/**
 * The end of a server that is being stopped: what is under way is answered, what comes is refused with 503 and
 * `Connection: close`, until the process is done with what it accepted. A refused connection would tell a producer
 * less, and a connection that is kept alive would meet its end in the middle of the next request.
 */
import type { Clock } from "./clock.ts";
import { MuaraError } from "./errors.ts";
import { problemResponse } from "./problem.ts";

type Fetch = (request: Request) => Response | Promise<Response>;

export class Drain {
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  #underWay = 0;
  #isStopping = false;
  #onIdle: () => void = () => undefined;

  constructor(fetch: Fetch, clock: Clock) {
    this.#fetch = fetch;
    this.#clock = clock;
  }

  /** Requests whose answer has not begun. */
  get underWay(): number {
    return this.#underWay;
  }

  readonly handle = async (request: Request): Promise<Response> => {
    if (this.#isStopping) {
      const response = problemResponse(new MuaraError("log.closed", "The service is shutting down."));
      response.headers.set("connection", "close");
      return response;
    }
    this.#underWay++;
    try {
      const response = await this.#fetch(request);
      if (!this.#isStopping) return response;
      // It came before the stop and is answered; the next one on its connection would not be.
      const { status, statusText, headers, body } = response;
      const closing = new Headers(headers);
      closing.set("connection", "close");
      return new Response(body, { status, statusText, headers: closing });
    } finally {
      this.#underWay--;
      if (this.#underWay === 0) this.#onIdle();
    }
  };

  /** Refuses from now on. @returns when what was under way is answered, at the latest after `maxMs` */
  async stop(maxMs: number): Promise<void> {
    this.#isStopping = true;
    if (this.#underWay === 0) return;
    const idle = new AbortController();
    this.#onIdle = () => idle.abort();
    await this.#clock.sleep(maxMs, idle.signal);
  }
}
