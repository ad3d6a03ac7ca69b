/**
 * The demo as a source worker: declares the shop's event types, replays its last two days, then goes on live. It
 * speaks to the door over HTTP like any team would, remembers how far it came, and counts what it was answered.
 */
import { assert } from "../../core/assert.ts";
import { seededRandomness, type Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { SHOP_EVENT_TYPES } from "./event-types.ts";
import { Shop } from "./shop.ts";
import { Traffic, type TrafficRequest } from "./traffic.ts";

const HISTORY_MS = 48 * 3_600_000;
const HISTORY_STEP_MS = 60 * 60_000;
const LIVE_STEP_MS = 1_000;
/** Share of the live order rate in the replayed history, so that two days take seconds. */
const HISTORY_SHARE = 0.1;
const RETRIES_MAX = 50;

export interface DemoPorts {
  readonly clock: Clock;
  /** POSTs JSON to the door. */
  readonly post: (path: string, body: string) => Promise<Response>;
  /** Where the demo remembers how far it came; undefined at the first run. */
  readonly load: () => Promise<DemoState | undefined>;
  readonly save: (state: DemoState) => Promise<void>;
}

export interface DemoState {
  readonly seed: number;
  /** Event time up to which everything was published, ms since 1970 UTC. */
  readonly sentUntilMs: number;
}

export interface DemoOptions {
  readonly seed: number;
  /** Live orders a minute, on average. */
  readonly ordersPerMinute: number;
}

/** What the door answered so far. */
export interface DemoTally {
  sent: number;
  accepted: number;
  rejected: number;
}

export interface DemoWorker {
  readonly tally: Readonly<DemoTally>;
  /** Event types, then history up to now. `progress` gets a fraction of 1. */
  prepare(signal: AbortSignal, progress: (fraction: number) => void): Promise<void>;
  /** Live traffic until the signal is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

export function createDemo(ports: DemoPorts, options: DemoOptions): DemoWorker {
  const tally: DemoTally = { sent: 0, accepted: 0, rejected: 0 };
  let shop: Shop | undefined;
  let traffic: Traffic | undefined;

  const publish = async (request: TrafficRequest, signal: AbortSignal): Promise<void> => {
    tally.sent += request.events;
    for (let attempt = 0; attempt <= RETRIES_MAX && !signal.aborted; attempt++) {
      const response = await ports.post(`/event-types/${request.type}/events`, request.body);
      const text = await response.text();
      if (response.status === 200) {
        tally.accepted += request.events;
        return;
      }
      if (response.status === 400 || response.status === 422) {
        if (!request.isBroken)
          throw new MuaraError("internal", `The door refused a good request: ${text.slice(0, 500)}`);
        tally.rejected += request.events;
        return;
      }
      // 429, 503, 507: the same ids are safe to send again.
      await ports.clock.sleep(Math.min(2_000, 50 * 2 ** attempt), signal);
    }
    if (!signal.aborted)
      throw new MuaraError("server.unreachable", "The door did not take the demo's events.");
    tally.sent -= request.events;
  };

  const advance = async (untilMs: number, signal: AbortSignal): Promise<void> => {
    assert(shop !== undefined && traffic !== undefined, "prepare comes before run");
    // Teams publish side by side; each team's own requests keep their order.
    const byType = Map.groupBy(traffic.requests(shop.until(untilMs)), (request) => request.type);
    const teams = [...byType.values()].map(async (requests) => {
      for (const request of requests) await publish(request, signal);
    });
    await Promise.all(teams);
    if (!signal.aborted) await ports.save({ seed: options.seed, sentUntilMs: untilMs });
  };

  return {
    tally,
    prepare: async (signal, progress) => {
      for (const type of SHOP_EVENT_TYPES) {
        const response = await ports.post("/event-types", JSON.stringify(type));
        if (response.status !== 201 && response.status !== 409)
          throw new MuaraError(
            "internal",
            `Declaring ${String(type["name"])} failed: ${await response.text()}`,
          );
      }
      const nowMs = ports.clock.nowMs();
      const state = await ports.load();
      const known = state?.seed === options.seed ? state.sentUntilMs : 0;
      const startMs = Math.max(known, nowMs - HISTORY_MS);
      const rate = (timeMs: number): number => options.ordersPerMinute * (timeMs < nowMs ? HISTORY_SHARE : 1);
      shop = new Shop(options.seed, startMs, rate);
      traffic = new Traffic(seededRandomness(options.seed ^ startMs));
      for (let atMs = startMs; atMs < nowMs && !signal.aborted;) {
        atMs = Math.min(nowMs, atMs + HISTORY_STEP_MS);
        await advance(atMs, signal);
        progress((atMs - startMs) / Math.max(1, nowMs - startMs));
      }
    },
    run: async (signal) => {
      while (!signal.aborted) {
        await ports.clock.sleep(LIVE_STEP_MS, signal);
        if (!signal.aborted) await advance(ports.clock.nowMs(), signal);
      }
    },
  };
}
