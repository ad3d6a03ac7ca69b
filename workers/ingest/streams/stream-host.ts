/**
 * All streams of this process: their limits, and what ends them from outside. A right that was withdrawn, a token that
 * was revoked or has expired ends the streams that it opened within seconds; a stop of the process ends all.
 */
import type { Principal } from "../../../core/authorize.ts";
import type { Clock, Randomness } from "../../../core/clock.ts";
import type { Config } from "../../../core/config.ts";
import { MuaraError } from "../../../core/errors.ts";
import type { Logger } from "../../../core/logger.ts";
import type { Audit } from "../../../core/ports/audit.ts";
import type { Log } from "../../../core/ports/log.ts";
import type { Quotas } from "../../../core/quota.ts";
import type { Registry } from "../../../core/registry.ts";
import type { Authenticator } from "../../../core/token.ts";
import type { Call } from "../call.ts";
import type { EventStream } from "./event-stream.ts";
import { LogEnds } from "./log-ends.ts";
import type { Compress } from "./stream-answer.ts";
import { StreamPlaces } from "./stream-places.ts";

export interface StreamPorts {
  readonly log: Log;
  readonly registry: Registry;
  readonly authenticator: Authenticator | null;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
  /** Absent: streams are not compressed. */
  readonly compress?: Compress | undefined;
  readonly audit?: Audit | undefined;
  /** Absent: everybody may have as many streams. */
  readonly quotas?: Quotas | undefined;
}

export type StreamLimits = Config["streams"];

/** How often rights are looked at, ms. */
const LOOK_MS = 1_000;

interface Guest {
  readonly stream: EventStream;
  readonly check: () => void;
  readonly end: (reason: string) => void;
}

export class StreamHost {
  readonly ports: StreamPorts;
  readonly limits: StreamLimits;
  readonly ends: LogEnds;
  readonly places: StreamPlaces = new StreamPlaces();
  readonly #guests = new Set<Guest>();
  #looking: AbortController | undefined;
  #isClosed = false;

  constructor(ports: StreamPorts, limits: StreamLimits) {
    this.ports = ports;
    this.limits = limits;
    this.ends = new LogEnds(ports);
  }

  /**
   * Takes a stream in.
   * @param check throws a MuaraError once the client may not read any more
   * @param end how it is ended; by default it is closed
   * @returns lets it go
   * @throws log.closed while the process stops
   */
  enter(stream: EventStream, call: Call, check: () => void, end?: (reason: string) => void): () => void {
    if (this.#isClosed) throw new MuaraError("log.closed", "The service is shutting down.");
    const guest = { stream, check, end: end ?? ((reason: string) => stream.close(reason)) };
    this.#guests.add(guest);
    this.ports.logger.debug("stream opened", { by: call.principal.id, flow_id: call.flowId });
    if (!this.#looking) {
      this.#looking = new AbortController();
      void this.#look(this.#looking.signal);
    }
    return () => {
      this.#guests.delete(guest);
      if (this.#guests.size > 0) return;
      this.#looking?.abort();
      this.#looking = undefined;
    };
  }

  /** Who asked, with the rights of now. @throws auth.invalid */
  principalNow({ principal }: Call): Principal {
    return this.ports.authenticator ? this.ports.authenticator.renew(principal) : principal;
  }

  /** A place of all that one principal may have, for `places`. */
  placeOf(principal: Principal): { readonly key: string; readonly most: number; readonly limit: string } {
    const own = this.ports.quotas?.streamsOf(principal);
    return own === undefined
      ? { key: principal.id, most: this.limits.perPrincipal, limit: "streams.perPrincipal" }
      : { key: principal.id, most: own, limit: "quotas" };
  }

  /** Ends all streams and takes no more. */
  close(): void {
    this.#isClosed = true;
    for (const { end } of this.#guests) end("The service is shutting down");
  }

  async #look(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.ports.clock.sleep(LOOK_MS, signal);
      if (signal.aborted) return;
      for (const { check, end } of this.#guests)
        try {
          check();
        } catch (error) {
          if (!(error instanceof MuaraError)) throw error;
          end(`Access was withdrawn: ${error.message}`);
        }
    }
  }
}
