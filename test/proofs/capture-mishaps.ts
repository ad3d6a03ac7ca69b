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
  killsWhileCopying: number;
  killsBeforeReady: number;
  serverCrashes: number;
  storeAwaySeconds: number;
}

/** Ends with a Muara that runs. */
export async function befall(
  bank: Bank,
  kills: number,
  seconds: number,
  storeAwaySeconds: number,
  random: Randomness,
): Promise<Mishaps> {
  const spanMs = seconds * 1_000;
  const beganMs = performance.now();
  // Drawn beforehand: how long something takes must not change what is drawn.
  const crashes = bank.shards.map((shard) => ({ shard, atMs: random.fraction() * CRASHES_UNTIL * spanMs }));
  const awayMs = random.fraction() * (spanMs - storeAwaySeconds * 1_000);
  const until = (ms: number): Promise<void> => sleep(Math.max(0, beganMs + ms - performance.now()));
  let serverCrashes = 0;
  const crash = async (): Promise<void> => {
    for (const { shard, atMs } of crashes.toSorted((a, b) => a.atMs - b.atMs)) {
      await until(atMs);
      await shard.server.restart("immediate");
      serverCrashes++;
    }
  };
  const takeAway = async (): Promise<number> => {
    await until(awayMs);
    const fromMs = performance.now();
    await bank.store.halt("immediate");
    await sleep(storeAwaySeconds * 1_000);
    await bank.store.start();
    return Math.round((performance.now() - fromMs) / 1_000);
  };
  const [killsBeforeReady, , awaySeconds] = await Promise.all([
    killAgainAndAgain(bank, kills, spanMs, random),
    crash(),
    takeAway(),
  ]);
  return { kills, killsWhileCopying: 0, killsBeforeReady, serverCrashes, storeAwaySeconds: awaySeconds };
}

/**
 * SIGKILL at random moments; each process lives on average so long that the kills fill the time, its start left out.
 * Ends with a Muara that runs.
 * @returns kills of a process that was not ready
 */
export async function killAgainAndAgain(
  bank: Bank,
  kills: number,
  spanMs: number,
  random: Randomness,
): Promise<number> {
  const { host } = bank;
  let early = 0;
  for (let done = 0; done < kills; done++) {
    const [dice, share] = [random.fraction(), random.fraction()];
    if (!host.running && dice < EARLY_KILLS) {
      if (!(await host.startBriefly(share * EARLY_MS_MAX))) early++;
      continue;
    }
    if (!host.running) await host.start();
    await sleep((share * 2 * spanMs) / kills);
    host.assertNoSurprise();
    await host.kill();
  }
  if (!host.running) await host.start();
  return early;
}
