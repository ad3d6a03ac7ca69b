/**
 * What is done where an answer does not come, or says "later": decided per operation, never in general.
 *
 * Repeated are reads, and writes that say the same however often they are carried out: an object's bytes under its
 * name, a part under its number, a delete. A conditional write is not: its repeat would be refused by its own first
 * success. Its outcome is `unknown`, and whoever made it settles it by the very same request and by reading back what
 * lies under that name. Only 409 is answered here, because it says that nothing was decided: a race is under way.
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { PutOutcome } from "../../core/ports/object-store.ts";
import type { S3Client, S3Request, S3Response } from "./client.ts";
import { elementOf } from "./xml.ts";

const ATTEMPTS = 4;
/** A race (409) is over within a few answers. */
const RACE_ATTEMPTS = 8;
const PAUSE_MS = 50;
/** Errors are short; what is longer is data. */
const ERROR_BYTES_MAX = 4_096;

interface Attempt {
  readonly answer?: S3Response;
  readonly error?: MuaraError;
  /** Trying again would change nothing. */
  readonly isLasting: boolean;
}

export interface RequestServices {
  readonly client: S3Client;
  readonly clock: Clock;
  readonly randomness: Randomness;
}

export class S3Requests {
  readonly #services: RequestServices;

  constructor(services: RequestServices) {
    this.#services = services;
  }

  /**
   * A request that may be repeated without harm.
   * @param what it is about, for the error
   * @returns the answer: carried out (2xx), or nothing there (404), or begins behind the end (416)
   * @throws store.unavailable
   */
  async repeatable(request: S3Request, what: string): Promise<S3Response> {
    for (let attempt = 1; ; attempt++) {
      const { answer, error, isLasting } = await this.#attempt(request, what);
      if (answer) return answer;
      if (attempt === ATTEMPTS || isLasting) throw error;
      await this.#pause(attempt);
    }
  }

  /** A write that is carried out only where its condition holds: `If-None-Match: *` or `If-Match`. */
  async conditional(request: S3Request, what: string): Promise<PutOutcome> {
    for (let attempt = 1; ; attempt++) {
      let response: S3Response;
      try {
        response = await this.#services.client.send(request);
      } catch (cause) {
        return { outcome: "unknown", cause };
      }
      const { status } = response;
      const code = errorCodeOf(response);
      if (status === 200 && code === undefined)
        return { outcome: "done", etag: response.headers.get("etag") ?? "" };
      const isMatch = "if-match" in (request.headers ?? {});
      if (status === 412 || (status === 404 && isMatch && isMissingKey(response)))
        return { outcome: "refused" };
      const cause = failure(request, what, response);
      // An error inside of 200 says what it is by its name only, and one should not stake an event on that.
      if (status === 200 || isPassing(response)) return { outcome: "unknown", cause };
      if (status !== 409) throw cause;
      if (attempt === RACE_ATTEMPTS) return { outcome: "unknown", cause };
      await this.#pause(attempt);
    }
  }

  async #attempt(request: S3Request, what: string): Promise<Attempt> {
    let answer: S3Response;
    try {
      answer = await this.#services.client.send(request);
    } catch (cause) {
      const message = `S3 gave no answer to ${request.method} ${what}`;
      return { error: new MuaraError("store.unavailable", message, { cause }), isLasting: false };
    }
    const { status } = answer;
    const isDone = status < 300 && (request.method === "GET" || errorCodeOf(answer) === undefined);
    if (isDone || status === 416 || (status === 404 && isMissingKey(answer)))
      return { answer, isLasting: false };
    const isLasting = status >= 300 && !isPassing(answer) && status !== 409;
    return { error: failure(request, what, answer), isLasting };
  }

  #pause(attempt: number): Promise<void> {
    const { clock, randomness } = this.#services;
    return clock.sleep(PAUSE_MS * 2 ** (attempt - 1) * (0.5 + randomness.fraction()));
  }
}

/** Whether the same request may fare better. 501 is for ever; a body that came too slowly is 400 with a name. */
function isPassing(response: S3Response): boolean {
  const { status } = response;
  if (status === 400) return errorCodeOf(response) === "RequestTimeout";
  return (status >= 500 && status !== 501) || status === 408 || status === 429;
}

/** Whether a 404 means the object. A HEAD has no body that would say so. */
function isMissingKey({ body }: S3Response): boolean {
  return body.length === 0 || !new TextDecoder().decode(body).includes("NoSuchBucket");
}

/** The name of the error that an answer holds. S3 may say 200 first and find an error then. */
function errorCodeOf({ body }: S3Response): string | undefined {
  if (body.length === 0 || body.length > ERROR_BYTES_MAX) return undefined;
  const text = new TextDecoder().decode(body);
  return text.includes("<Error>") ? (elementOf(text, "Code") ?? "") : undefined;
}

function failure(request: S3Request, what: string, response: S3Response): MuaraError {
  const { status } = response;
  const message = `S3 answered ${status} ${errorCodeOf(response) ?? ""} to ${request.method} ${what}`;
  return new MuaraError("store.unavailable", message, { details: { status } });
}
