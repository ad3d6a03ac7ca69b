/** What a client may say about a stream: Nakadi's parameters, with their defaults, and where they end. */
import type { Randomness } from "../../../core/clock.ts";
import { MuaraError } from "../../../core/errors.ts";
import { wholeNumber } from "../page.ts";
import type { StreamRules } from "./event-stream.ts";

const FLUSH_S_DEFAULT = 30;
const LIFE_S_MAX = 4_200;
/** A stream without an end of its own lasts an hour, give or take: not all come back at once. */
const LIFE_S_DEFAULT = 3_600;
const LIFE_S_SPREAD = 600;
const COMMIT_S_DEFAULT = 60;
const UNCOMMITTED_DEFAULT = 10;
const MOST = 1_000_000_000;

/** By name, as text; absent ones have their defaults. */
export type Given = (name: string) => string | null;

export interface SubscriptionRules extends StreamRules {
  /** Events that may be under way without a commit. */
  readonly uncommittedMax: number;
  /** After so long without a commit the stream ends, ms. */
  readonly commitMs: number;
}

/** @throws request.malformed, stream.parameters */
export function lowLevelRules(given: Given, randomness: Randomness): StreamRules {
  const rules = commonRules(given, randomness);
  const limit = numberOf(given, "stream_limit", 0);
  const timeoutS = numberOf(given, "stream_timeout", 0);
  if (limit !== 0 && limit < rules.batchLimit)
    throw wrong("stream_limit", "cannot be lower than batch_limit");
  if (timeoutS !== 0 && timeoutS * 1_000 < rules.flushMs)
    throw wrong("stream_timeout", "cannot be lower than batch_flush_timeout");
  return rules;
}

/** @throws request.malformed, stream.parameters */
export function subscriptionRules(given: Given, randomness: Randomness): SubscriptionRules {
  const commitS = wholeNumber("commit_timeout", given("commit_timeout") ?? "0", 0, COMMIT_S_DEFAULT);
  const most = given("max_uncommitted_events");
  return {
    ...commonRules(given, randomness),
    uncommittedMax:
      most === null ? UNCOMMITTED_DEFAULT : wholeNumber("max_uncommitted_events", most, 1, MOST),
    commitMs: (commitS === 0 ? COMMIT_S_DEFAULT : commitS) * 1_000,
  };
}

function commonRules(given: Given, randomness: Randomness): StreamRules {
  const limit = numberOf(given, "stream_limit", 0);
  const flushS = numberOf(given, "batch_flush_timeout", FLUSH_S_DEFAULT);
  const lifeS = numberOf(given, "stream_timeout", 0);
  const keepAlives = numberOf(given, "stream_keep_alive_limit", 0);
  return {
    batchLimit: wholeNumber("batch_limit", given("batch_limit") ?? "1", 1, MOST),
    flushMs: (flushS === 0 ? FLUSH_S_DEFAULT : flushS) * 1_000,
    timespanMs: numberOf(given, "batch_timespan", 0) * 1_000,
    eventsMax: limit === 0 ? Infinity : limit,
    keepAlivesMax: keepAlives === 0 ? Infinity : keepAlives,
    lifeMs:
      lifeS === 0 || lifeS > LIFE_S_MAX
        ? (LIFE_S_DEFAULT + (randomness.fraction() * 2 - 1) * LIFE_S_SPREAD) * 1_000
        : lifeS * 1_000,
  };
}

function numberOf(given: Given, name: string, byDefault: number): number {
  return wholeNumber(name, given(name) ?? String(byDefault), 0, MOST);
}

function wrong(parameter: string, reason: string): MuaraError {
  return new MuaraError("stream.parameters", `${parameter} ${reason}.`, { details: { parameter } });
}
