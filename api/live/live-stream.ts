/**
 * One stream of server-sent events to one client: at most four frames a second of all its watched together, the last
 * value of what is a gauge, every frame of a tail that is still there. What a client does not take in time is not
 * kept for it: it is told that it missed some, and is let go where it takes nothing at all.
 */
import type { Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Clock } from "../../core/clock.ts";
import type { NowChannel } from "./now-channel.ts";
import type { TailChannel } from "./tail-channel.ts";

/** Between two writes, ms. */
const FRAME_MS = 250;
/** What came before, for one who comes. */
const FIRST_FRAMES = 20;
const HEARTBEAT_MS = 15_000;
/** Of what a client has not taken yet: beyond it nothing is written for it, bytes. */
const UNREAD_BYTES = 131_072;
/** Of a frame in a tail, as text. */
const PLACE = /^\d{1,15}$/;

export interface Watched {
  readonly now: NowChannel | undefined;
  readonly tails: readonly TailChannel[];
}

export interface LiveClient {
  readonly clock: Clock;
  readonly epoch: string;
  readonly watched: Watched;
  /** As it is now. @throws MuaraError once the client may not look any more */
  readonly principal: () => Principal;
  /** Of the request. */
  readonly lastEventId: string | undefined;
  /** A client that takes nothing for so long is let go, ms. */
  readonly slowMs: number;
  /** The stream ends by itself after so long, ms. */
  readonly endMs: number;
  /** When the client is gone, or was let go. */
  readonly onEnd: () => void;
}

export interface LiveStream {
  readonly body: ReadableStream<Uint8Array>;
  /** Tells the client why, and ends. */
  readonly end: (reason: string) => void;
}

export function liveStream(client: LiveClient): LiveStream {
  const writer = new LiveWriter(client);
  return { body: writer.body, end: (reason) => writer.bye("closed", reason) };
}

class LiveWriter {
  readonly body: ReadableStream<Uint8Array>;
  readonly #client: LiveClient;
  readonly #encoder = new TextEncoder();
  readonly #gone = new AbortController();
  #out!: ReadableStreamDefaultController<Uint8Array>;
  /** [tail] of the last frame that was written */
  #places: number[];
  #nowSequence = 0;
  #writtenMs: number;
  #takenMs: number;

  constructor(client: LiveClient) {
    this.#client = client;
    this.#writtenMs = client.clock.monotonicMs();
    this.#takenMs = this.#writtenMs;
    const resumed = placesOf(client);
    this.#places = resumed ?? client.watched.tails.map(({ ring }) => ring.behind(FIRST_FRAMES));
    this.body = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#out = controller;
          this.#write(": muara live\n\n");
          if (client.lastEventId !== undefined && !resumed) this.#resync("the place is not known");
          void this.#run();
        },
        cancel: () => this.#over(),
      },
      { highWaterMark: UNREAD_BYTES, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  bye(code: string, reason: string): void {
    if (this.#gone.signal.aborted) return;
    this.#write(`event: bye\ndata: ${JSON.stringify({ code, reason })}\n\n`);
    this.#over();
    this.#out.close();
  }

  #over(): void {
    if (this.#gone.signal.aborted) return;
    this.#gone.abort();
    this.#client.onEnd();
  }

  async #run(): Promise<void> {
    const { clock, slowMs, endMs } = this.#client;
    const startedMs = clock.monotonicMs();
    while (!this.#gone.signal.aborted) {
      const nowMs = clock.monotonicMs();
      if ((this.#out.desiredSize ?? 0) > 0) {
        this.#takenMs = nowMs;
        this.#turn(nowMs);
      } else if (nowMs - this.#takenMs >= slowMs) {
        this.bye("slow", `Nothing was taken for ${slowMs} ms (live.slowMs).`);
        return;
      }
      if (clock.monotonicMs() - startedMs >= endMs)
        return this.bye("over", `It was asked for ${endMs / 1_000} seconds.`);
      await clock.sleep(FRAME_MS, this.#gone.signal);
    }
  }

  #turn(nowMs: number): void {
    const { watched, principal } = this.#client;
    let who: Principal;
    try {
      who = principal();
    } catch (error) {
      if (!(error instanceof MuaraError)) throw error;
      return this.bye(error.code, `Access was withdrawn: ${error.message}`);
    }
    const { now } = watched;
    if (now && now.sequence > this.#nowSequence) {
      this.#nowSequence = now.sequence;
      this.#frame("now", JSON.stringify(now.valueFor(who)));
    }
    for (const [at, { ring }] of watched.tails.entries()) this.#tail(at, ring);
    if (nowMs - this.#writtenMs >= HEARTBEAT_MS) this.#write(": still here\n\n");
  }

  /** Frames that came since the last one, as one. */
  #tail(at: number, ring: TailChannel["ring"]): void {
    const frames = ring.after(this.#places[at]!);
    if (frames?.length === 0) return;
    this.#places[at] = ring.sequence;
    if (frames) this.#frame("tail", `{"tail":${at},"frames":[${frames.map(({ text }) => text).join(",")}]}`);
    else this.#resync("frames were missed");
  }

  #resync(reason: string): void {
    this.#frame("resync", JSON.stringify({ reason }));
  }

  #frame(event: string, data: string): void {
    const id = [this.#client.epoch, ...this.#places].join("-");
    this.#write(`id: ${id}\nevent: ${event}\ndata: ${data}\n\n`);
  }

  #write(text: string): void {
    this.#writtenMs = this.#client.clock.monotonicMs();
    this.#out.enqueue(this.#encoder.encode(text));
  }
}

/** Where a client that was here goes on; undefined where that is not known, or gone. */
function placesOf({ lastEventId, epoch, watched }: LiveClient): number[] | undefined {
  const [own, ...places] = lastEventId?.split("-") ?? [];
  if (own !== epoch || places.length !== watched.tails.length) return undefined;
  if (!places.every((place) => PLACE.test(place))) return undefined;
  const numbers = places.map(Number);
  const isKnown = watched.tails.every(({ ring }, at) => ring.after(numbers[at]!) !== undefined);
  return isKnown ? numbers : undefined;
}
