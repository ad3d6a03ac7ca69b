/** The one connection: opened for what is wanted, opened again where it breaks, each time a little later. */
import { systemClock } from "../../../core/clock.ts";
import { ApiError } from "../api-client.ts";
import { readEvents, type ServerEvent } from "./event-reader.ts";
import type { LiveState, NowValue, TailFrame, TailWant } from "./live-types.ts";

export type Told =
  | { readonly kind: "state"; readonly state: LiveState }
  | { readonly kind: "now"; readonly value: NowValue }
  | { readonly kind: "resync" }
  | { readonly kind: "tail"; readonly tail: TailWant; readonly frames: readonly TailFrame[] };

export interface AllWants {
  readonly isNow: boolean;
  readonly tails: readonly TailWant[];
}

const RETRY_MS = [250, 500, 1_000, 2_000, 5_000] as const;
/** More are refused by the server. */
const TAILS_MAX = 4;

export class StreamReader {
  readonly #tell: (told: Told) => void;
  #key = "";
  #abort = new AbortController();

  constructor(tell: (told: Told) => void) {
    this.#tell = tell;
  }

  /** Another want opens another stream; the same one changes nothing. */
  want({ isNow, tails: all }: AllWants): void {
    const tails = all.slice(-TAILS_MAX);
    const key = JSON.stringify([isNow, tails]);
    if (key === this.#key) return;
    this.#key = key;
    this.#abort.abort();
    this.#abort = new AbortController();
    if (isNow || tails.length > 0) void this.#run({ isNow, tails }, this.#abort.signal);
    else this.#say({ kind: "idle" });
  }

  close(): void {
    this.#abort.abort();
  }

  async #run(wants: AllWants, signal: AbortSignal): Promise<void> {
    let lastId: string | undefined;
    let failures = 0;
    this.#say({ kind: "connecting" });
    while (!signal.aborted) {
      try {
        await readEvents(
          addressOf(wants),
          lastId,
          (event) => {
            if (signal.aborted) return;
            if (failures > 0 || lastId === undefined) this.#say({ kind: "open" });
            failures = 0;
            if (event.id !== "") lastId = event.id;
            this.#take(event, wants);
          },
          signal,
        );
        failures++;
      } catch (error) {
        if (signal.aborted) return;
        const isApi = error instanceof ApiError;
        const code = isApi ? error.code : "unreachable";
        const message = isApi ? error.message : "The connection was cut.";
        // What is wrong with the request does not become right by asking again; too many streams may.
        const isFinal = isApi && error.status >= 400 && error.status < 500 && error.status !== 429;
        this.#say({ kind: isFinal ? "refused" : "retrying", error: { code, message } });
        if (isFinal) return;
        failures++;
      }
      if (failures === 1) this.#say({ kind: "retrying" });
      await systemClock.sleep(RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 250, signal);
    }
  }

  #take({ event, data }: ServerEvent, { tails }: AllWants): void {
    if (event === "now") this.#tell({ kind: "now", value: JSON.parse(data) as NowValue });
    else if (event === "resync") this.#tell({ kind: "resync" });
    else if (event === "tail") {
      const { tail, frames } = JSON.parse(data) as { tail: number; frames: readonly TailFrame[] };
      if (tails[tail]) this.#tell({ kind: "tail", tail: tails[tail], frames });
    }
  }

  #say(state: LiveState): void {
    this.#tell({ kind: "state", state });
  }
}

function addressOf({ isNow, tails }: AllWants): string {
  const wanted = [...(isNow ? ["now"] : []), ...tails.map(({ type }) => `tail:${type}`)];
  const query = new URLSearchParams([["topics", wanted.join(",")]]);
  for (const { contains, fate } of tails) {
    query.append("contains", contains);
    query.append("fate", fate);
  }
  return `/v1/live?${query.toString()}`;
}
