/**
 * How many bytes of request bodies are in memory at a time, over all requests. Beyond the bound a request is
 * answered 429 before its body is read; one request always fits, so that a small bound slows but never stops.
 */
import { assert } from "../../core/assert.ts";
import { MuaraError } from "../../core/errors.ts";

export class InFlight {
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A place for one request. */
  enter(): Reservation {
    return new Reservation(this);
  }

  /** @throws log.overloaded when others hold too much */
  take(bytes: number, ownBytes: number): void {
    const others = this.#bytes - ownBytes;
    if (others > 0 && this.#bytes + bytes > this.#maxBytes)
      throw new MuaraError("log.overloaded", "Too many bytes of requests are being worked on.", {
        details: { limit: this.#maxBytes },
      });
    this.#bytes += bytes;
  }

  give(bytes: number): void {
    this.#bytes -= bytes;
    assert(this.#bytes >= 0, "requests cannot give back more than they took");
  }
}

/** What one request holds. */
export class Reservation {
  readonly #inFlight: InFlight;
  #bytes = 0;

  constructor(inFlight: InFlight) {
    this.#inFlight = inFlight;
  }

  /** @throws log.overloaded */
  readonly take = (bytes: number): void => {
    this.#inFlight.take(bytes, this.#bytes);
    this.#bytes += bytes;
  };

  release(): void {
    this.#inFlight.give(this.#bytes);
    this.#bytes = 0;
  }
}
