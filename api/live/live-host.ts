/**
 * Who looks at the live stream of this process, and the channels that they look at: each is one for all who see the
 * same, works while somebody looks, and waits a while for one who comes back. All within the limits of the
 * configuration.
 */
import type { Principal } from "../../core/authorize.ts";
import { systemRandomness } from "../../core/clock.ts";
import type { Config } from "../../core/config.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ApiPorts } from "../context.ts";
import { NOW_EVERY_MS, NowChannel } from "./now-channel.ts";
import { TAIL_EVERY_MS, TailChannel, type TailOptions } from "./tail-channel.ts";

export type LiveLimits = Config["live"];

/** How long a channel that nobody looks at is kept for one who lost his connection, ms. */
const LINGER_MS = 30_000;

interface Running<Channel> {
  readonly channel: Channel;
  readonly abort: AbortController;
  viewers: number;
  /** When its last viewer left, monotonic ms. */
  leftMs: number;
  /** Why its last look failed; undefined where it did not. */
  problem: string | undefined;
}

export class LiveHost {
  /** Of this process; ids of frames of another one mean nothing here. */
  readonly epoch: string;
  readonly limits: LiveLimits;
  readonly #ports: ApiPorts;
  readonly #viewers = new Map<string, number>();
  readonly #ends = new Set<(reason: string) => void>();
  readonly #tails = new Map<string, Running<TailChannel>>();
  #now: Running<NowChannel> | undefined;
  #isClosed = false;

  constructor(ports: ApiPorts, limits: LiveLimits) {
    this.#ports = ports;
    this.epoch = (ports.randomness ?? systemRandomness).uuid().slice(0, 8);
    this.limits = limits;
  }

  /** @param end called when the process stops @returns lets go @throws stream.too_many, log.closed */
  enter({ id }: Principal, end: (reason: string) => void): () => void {
    if (this.#isClosed) throw new MuaraError("log.closed", "The service is shutting down.");
    const own = this.#viewers.get(id) ?? 0;
    if (this.#ends.size >= this.limits.clients) throw tooMany("live.clients", this.limits.clients);
    if (own >= this.limits.perPrincipal) throw tooMany("live.perPrincipal", this.limits.perPrincipal);
    this.#viewers.set(id, own + 1);
    this.#ends.add(end);
    return () => {
      if (!this.#ends.delete(end)) return;
      const left = (this.#viewers.get(id) ?? 1) - 1;
      if (left === 0) this.#viewers.delete(id);
      else this.#viewers.set(id, left);
    };
  }

  now(): { readonly channel: NowChannel; readonly leave: () => void } {
    this.#now ??= this.#start(new NowChannel(this.#ports), NOW_EVERY_MS, () => (this.#now = undefined));
    return this.#join(this.#now);
  }

  /** @throws stream.too_many */
  tail(options: Pick<TailOptions, "type" | "contains" | "fate">): {
    readonly channel: TailChannel;
    readonly leave: () => void;
  } {
    const key = JSON.stringify([options.type.name, options.fate ?? "", options.contains]);
    let running = this.#tails.get(key);
    if (!running) {
      this.#makeRoom();
      const channel = new TailChannel(this.#ports, { ...options, ...this.limits });
      running = this.#start(channel, TAIL_EVERY_MS, () => this.#tails.delete(key));
      this.#tails.set(key, running);
    }
    return this.#join(running);
  }

  close(): void {
    this.#isClosed = true;
    for (const end of this.#ends) end("The service is shutting down.");
    for (const { abort } of [...this.#tails.values(), ...(this.#now ? [this.#now] : [])]) abort.abort();
  }

  /** One that only lingers makes room for one that is looked at. */
  #makeRoom(): void {
    if (this.#tails.size < this.limits.tails) return;
    const idle = [...this.#tails].find(([, { viewers }]) => viewers === 0);
    if (!idle) throw tooMany("live.tails", this.limits.tails);
    idle[1].abort.abort();
    this.#tails.delete(idle[0]);
  }

  #join<Channel>(running: Running<Channel>): { readonly channel: Channel; readonly leave: () => void } {
    running.viewers++;
    let isIn = true;
    const leave = (): void => {
      if (isIn) running.viewers--;
      isIn = false;
      running.leftMs = this.#ports.clock.monotonicMs();
    };
    return { channel: running.channel, leave };
  }

  #start<Channel extends NowChannel | TailChannel>(
    channel: Channel,
    everyMs: number,
    over: () => void,
  ): Running<Channel> {
    const running = { channel, abort: new AbortController(), viewers: 0, leftMs: 0, problem: undefined };
    void this.#run(running, everyMs, over);
    return running;
  }

  async #run(running: Running<NowChannel | TailChannel>, everyMs: number, over: () => void): Promise<void> {
    const { clock, logger } = this.#ports;
    const { channel, abort } = running;
    while (!abort.signal.aborted) {
      const startedMs = clock.monotonicMs();
      if (running.viewers === 0 && running.leftMs > 0 && startedMs - running.leftMs > LINGER_MS) break;
      try {
        await channel.look(abort.signal);
        running.problem = undefined;
      } catch (error) {
        const problem = String(error);
        if (problem !== running.problem && !abort.signal.aborted)
          logger.warn("a look for the live stream failed", { problem });
        running.problem = problem;
      }
      await clock.sleep(Math.max(10, everyMs - (clock.monotonicMs() - startedMs)), abort.signal);
    }
    if (!abort.signal.aborted) over();
  }
}

function tooMany(limit: keyof LiveNames, most: number): MuaraError {
  return new MuaraError("stream.too_many", `Streams that may be open, ${limit}: ${most}.`, {
    details: { limit, most },
  });
}

interface LiveNames {
  readonly "live.clients": number;
  readonly "live.perPrincipal": number;
  readonly "live.tails": number;
}
