/** What happens to the bank of the capture proof while money moves: kills, crashes of servers, a store that is away. */
import type { Randomness } from "../../core/clock.ts";
import type { Bank } from "./capture-bank.ts";
import { sleep } from "./host.ts";

/** Of the kills: of a process that is not ready yet. */
const EARLY_KILLS = 0.2;
const EARLY_MS_MAX = 1_500;
/** Crashes fall into this part of the time, so that something follows them. */
const CRASHES_UNTIL = 0.85;

export interface Mishaps {
  readonly kills: number;
  killsBeforeReady: number;
  serverCrashes: number;
  storeAwaySeconds: number;
}

/** Ends with a Muara that runs. @param untilMs by performance.now() */
export async function befall(
  bank: Bank,
  kills: number,
  storeAwaySeconds: number,
  untilMs: number,
  random: Randomness,
): Promise<Mishaps> {
  const mishaps: Mishaps = { kills, killsBeforeReady: 0, serverCrashes: 0, storeAwaySeconds: 0 };
  // Drawn beforehand: how long something takes must not change what is drawn.
  const spanMs = untilMs - performance.now();
  const crashes = bank.shards.map((shard) => ({
    shard,
    atMs: untilMs - spanMs + random.fraction() * CRASHES_UNTIL * spanMs,
  }));
  const awayMs = untilMs - spanMs + random.fraction() * (spanMs - storeAwaySeconds * 1_000);
  const crash = async (): Promise<void> => {
    for (const { shard, atMs } of crashes.toSorted((a, b) => a.atMs - b.atMs)) {
      await sleepUntil(atMs);
      await shard.server.restart("immediate");
      mishaps.serverCrashes++;
    }
  };
  const takeAway = async (): Promise<void> => {
    await sleepUntil(awayMs);
    const fromMs = performance.now();
    await bank.store.halt("immediate");
    await sleep(storeAwaySeconds * 1_000);
    await bank.store.start();
    mishaps.storeAwaySeconds = Math.round((performance.now() - fromMs) / 1_000);
  };
  await Promise.all([killAll(bank, kills, untilMs, random, mishaps), crash(), takeAway()]);
  return mishaps;
}

async function killAll(
  bank: Bank,
  kills: number,
  untilMs: number,
  random: Randomness,
  mishaps: Mishaps,
): Promise<void> {
  const { host } = bank;
  for (let done = 0; done < kills; done++) {
    const [dice, share] = [random.fraction(), random.fraction()];
    if (!host.running && dice < EARLY_KILLS) {
      if (!(await host.startBriefly(share * EARLY_MS_MAX))) mishaps.killsBeforeReady++;
      continue;
    }
    if (!host.running) await host.start();
    const left = kills - done;
    await sleep(Math.max(0, (share * 2 * (untilMs - performance.now())) / left));
    host.assertNoSurprise();
    await host.kill();
  }
  if (!host.running) await host.start();
}

async function sleepUntil(ms: number): Promise<void> {
  await sleep(Math.max(0, ms - performance.now()));
}
