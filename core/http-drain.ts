/**
 * The end of a server that is being stopped: what is under way is answered, what comes is refused with 503 and
 * `Connection: close`, until the process is done with what it accepted. A refused connection would tell a producer
 * less, and a connection that is kept alive would meet its end in the middle of the next request.
 */
import type { Clock } from "./clock.ts";
import { MuaraError } from "./errors.ts";
import { problemResponse } from "./problem.ts";

const READY_PATH = "/health/ready";

type Fetch = (request: Request) => Response | Promise<Response>;

export class Drain {
  readonly #fetch: Fetch;
  readonly #clock: Clock;
  #underWay = 0;
  #isLeaving = false;
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
    if (this.#isStopping) return leaving();
    if (this.#isLeaving && new URL(request.url).pathname === READY_PATH) return leaving();
    this.#underWay++;
    try {
      const response = await this.#fetch(request);
      if (!this.#isLeaving) return response;
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

  /** For so long everything is still answered, but that the process is ready: whoever spreads requests turns away. */
  async leave(forMs: number): Promise<void> {
    this.#isLeaving = true;
    if (forMs > 0) await this.#clock.sleep(forMs);
  }

  /** Refuses from now on. @returns when what was under way is answered, at the latest after `maxMs` */
  async stop(maxMs: number): Promise<void> {
    this.#isLeaving = true;
    this.#isStopping = true;
    if (this.#underWay === 0) return;
    const idle = new AbortController();
    this.#onIdle = () => idle.abort();
    await this.#clock.sleep(maxMs, idle.signal);
  }
}

function leaving(): Response {
  const response = problemResponse(new MuaraError("log.closed", "The service is shutting down."));
  response.headers.set("connection", "close");
  return response;
}
