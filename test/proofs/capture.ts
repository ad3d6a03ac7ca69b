/**
 * `npm run proof:capture -- [--seconds 300] [--seed N]`: eight PostgreSQL servers on which pgbench moves money, a Muara
 * that captures all of them, beginning with copies while money moves, and delivers the current states to a ninth
 * server. The Muara is killed 50 times at random moments, each server crashes once, the ninth one is away for a while.
 * In the end lake and ninth server have the sources' rows, one by one; every transaction is there once, with all of its
 * changes, as the servers' own decoder tells them; the books balance.
 */
import { seededRandomness } from "../../core/clock.ts";
import { Bank } from "./capture-bank.ts";
import { checkBank, type Checked } from "./capture-checks.ts";
import { befall, killAgainAndAgain, type Mishaps } from "./capture-mishaps.ts";
import { proofCommand, type ProofOptions } from "./proof-command.ts";

const SHARDS = 8;
const KILLS = 50;
const RATE = 150;
/** Of the time the store is not there: two minutes of five. */
const STORE_AWAY = 0.4;
/** Of the kills: the others come while changes stream, for `seconds`, which begin when the copies are done. */
const KILLS_WHILE_COPYING = 0.1;
/** In which those come. */
const COPY_MS = 10_000;

export interface CaptureOptions extends ProofOptions {
  readonly seconds: number;
  readonly shards?: number;
  readonly kills?: number;
  /** Transactions per second of each shard. */
  readonly rate?: number;
}

export interface CaptureResult extends Mishaps, Checked {
  readonly shards: number;
  readonly seconds: number;
  readonly rate: number;
}

/** @throws Error naming the seed */
export async function runCapture(options: CaptureOptions): Promise<CaptureResult> {
  const { shards = SHARDS, kills = KILLS, rate = RATE, seconds, seed, tell = () => undefined } = options;
  const bank = await Bank.open(shards, rate);
  let isGood = false;
  try {
    await bank.host.start();
    for (const shard of bank.shards) shard.begin();
    await bank.declare();
    tell("declared");
    const random = seededRandomness(seed);
    const early = Math.ceil(kills * KILLS_WHILE_COPYING);
    const killsBeforeReady = await killAgainAndAgain(bank, early, COPY_MS, random);
    await bank.copied();
    tell("copied");
    const mishaps = await befall(bank, kills - early, seconds, seconds * STORE_AWAY, random);
    await Promise.all(bank.shards.map((shard) => shard.end()));
    tell("everything has happened");
    const checked = await checkBank(bank, tell);
    isGood = true;
    mishaps.killsWhileCopying = early;
    mishaps.killsBeforeReady += killsBeforeReady;
    return { shards, seconds, rate, ...mishaps, kills, ...checked };
  } catch (error) {
    bank.host.assertNoSurprise();
    throw new Error(`capture with seed ${seed}, in ${bank.host.folder}`, { cause: error });
  } finally {
    await bank.close(isGood);
  }
}

if (process.argv[1] === import.meta.filename) await proofCommand({ seconds: 300 }, runCapture);
