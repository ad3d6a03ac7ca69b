/**
 * Appends to one stream: everything that waits goes into one group, and the group takes the next number by
 * put-if-absent. Whoever loses the number reads the winner's group and tries behind it.
 *
 * An answer that does not come settles nothing: the same object is put again under the same name until the store says
 * that it is there (then its attempt tells whose it is), or until time is up. Nothing else may be concluded from
 * silence, nor from a read that does not find it: the first request may still arrive.
 *
 * Surprising rule: there is no writer in the background. Of those who wait, one leads a round for all; the others wait
 * for its end, and lead the next. On an edge each request lives and dies by itself, and must finish by itself what a
 * dead leader began: a round can be taken over at any point, because all its steps may be repeated.
 */
import { isAssertion } from "../../core/assert.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Chain } from "./chain.ts";
import { type Draft, type Entry, makeDraft, type Result } from "./draft.ts";
import { groupPath } from "./group.ts";
import type { StreamState } from "./stream-state.ts";

const PAUSE_MS = 25;
const PAUSE_MS_MAX = 2_000;
/** After another writer's group was seen, this writer lets others go first now and then, ms. */
const COURTESY_MS = 10_000;
/** And each so many rounds in any case: whoever always loses leaves no trace. */
const COURTESY_ROUNDS = 8;

/** So many lost races are no accident any more. */
const LOSSES_MIN = 8;

export interface AppenderPorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** Time after which an outcome that is not known is reported as unknown, ms. */
  readonly settleMs: number;
  /** A leader silent for this long is taken for dead, ms. */
  readonly leaderMs: number;
  /** Bytes of one group, unless a single batch is larger. */
  readonly groupBytesMax: number;
  /** A group was stored by this process. */
  readonly onStored: (group: number, isCheckpoint: boolean) => void;
}

interface Pending {
  readonly entry: Entry;
  result: Result | undefined;
}

interface Round {
  /** Taken when its leader may begin. */
  members: readonly Pending[] | undefined;
  draft: Draft | undefined;
  readonly done: Promise<void>;
  readonly end: () => void;
  readonly beganMs: number;
  /** When its present leader began. */
  startedMs: number;
  /** Who leads it: the how manieth. A leader that comes back from the dead finds another here, and does nothing. */
  leader: number;
}

export class Appender {
  readonly #chain: Chain;
  readonly #ports: AppenderPorts;
  #waiting: Pending[] = [];
  #waitingBytes = 0;
  #round: Round | undefined;
  /** Until then others may go first, monotonic ms. */
  #notBeforeMs = -Infinity;
  #foreignMs = -Infinity;
  #wins = 0;
  #putMs = 0;
  #putStartedMs = -Infinity;
  #attempts = 0;
  readonly #writer: string;

  constructor(chain: Chain, ports: AppenderPorts) {
    this.#chain = chain;
    this.#ports = ports;
    this.#writer = ports.randomness.uuid();
  }

  /** Bytes that wait for their group. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** @returns once the entry's fate is settled. @throws log.append_unknown where it is not, in time */
  async add(entry: Entry): Promise<Result> {
    const own: Pending = { entry, result: undefined };
    this.#waiting.push(own);
    this.#waitingBytes += sizeOf(entry);
    while (!own.result) {
      const round = this.#round;
      if (!round) await this.#lead(this.#begin());
      else if (this.#ageMs(round) > this.#ports.leaderMs) await this.#lead(round);
      else await this.#waitFor(round);
    }
    if (own.result.kind === "refused") throw own.result.error;
    return own.result;
  }

  #ageMs(round: Round): number {
    return this.#ports.clock.monotonicMs() - round.startedMs;
  }

  async #waitFor(round: Round): Promise<void> {
    const stop = new AbortController();
    const dead = this.#ports.clock.sleep(this.#ports.leaderMs + 1 - this.#ageMs(round), stop.signal);
    await Promise.race([round.done, dead]);
    stop.abort();
  }

  #begin(): Round {
    const { promise, resolve } = Promise.withResolvers<void>();
    const startedMs = this.#ports.clock.monotonicMs();
    const unknown = { members: undefined, draft: undefined };
    this.#round = { ...unknown, done: promise, end: resolve, beganMs: startedMs, startedMs, leader: 0 };
    return this.#round;
  }

  /** Takes what waits, in order, as far as it fits into one group. */
  #take(): Pending[] {
    let bytes = 0;
    let count = 0;
    for (const { entry } of this.#waiting) {
      if (count > 0 && bytes + sizeOf(entry) > this.#ports.groupBytesMax) break;
      bytes += sizeOf(entry);
      count++;
    }
    this.#waitingBytes -= bytes;
    return this.#waiting.splice(0, count);
  }

  async #lead(round: Round): Promise<void> {
    const { clock } = this.#ports;
    const leader = ++round.leader;
    const isLeading = (): boolean => round.leader === leader;
    round.startedMs = clock.monotonicMs();
    try {
      const waitMs = this.#notBeforeMs - clock.monotonicMs();
      if (waitMs > 0) await clock.sleep(waitMs);
      if (!isLeading()) return;
      round.members ??= this.#take();
      if (await this.#settle(round, round.members, isLeading)) this.#letOthersGoFirst();
    } catch (error) {
      // Of a leader that was given up only so much is known: its entries may be stored.
      const settled = isLeading() ? settledError(error) : unknownError(error);
      for (const member of round.members ?? []) member.result ??= { kind: "refused", error: settled };
    }
    if (!isLeading() && round.members?.some(({ result }) => !result) !== false) return;
    if (this.#round === round) this.#round = undefined;
    round.end();
  }

  /** @returns whether a group was stored */
  async #settle(round: Round, members: readonly Pending[], isLeading: () => boolean): Promise<boolean> {
    const { clock, settleMs } = this.#ports;
    const deadlineMs = round.beganMs + settleMs;
    let losses = 0;
    for (let failures = 0; ;) {
      const draft = round.draft ?? (await this.#draftOf(members, losses > 0));
      if (!isLeading()) return false;
      round.draft = draft;
      if (draft.bytes === undefined) {
        report(members, draft);
        return false;
      }
      const outcome = await this.#put(draft.group, draft.bytes, draft.attempt);
      if (outcome === "stored") {
        await this.#chain.append(draft.group, draft.bytes, this.#putStartedMs);
        report(members, draft);
        this.#ports.onStored(draft.group, draft.isCheckpoint);
        return true;
      }
      const isLate = clock.monotonicMs() >= deadlineMs;
      if (outcome !== "lost" && isLate) throw outcome.cause;
      if (!isLeading()) return false;
      if (outcome === "lost") {
        this.#foreignMs = clock.monotonicMs();
        round.draft = undefined;
        failures = 0;
        if (++losses >= LOSSES_MIN && isLate)
          throw new MuaraError("log.overloaded", "Too many others append to this stream.");
      } else await this.#pause(++failures);
    }
  }

  /** Refusals of producers count only against the stream as it is now: a batch before may be another process's. */
  async #draftOf(members: readonly Pending[], mustLook: boolean): Promise<Draft> {
    const entries = members.map((member) => member.entry);
    const make = (state: StreamState): Promise<Draft> =>
      makeDraft(state, entries, `${this.#writer}.${++this.#attempts}`, this.#ports.clock.nowMs());
    if (mustLook) return make(await this.#chain.fresh(true));
    const draft = await make(await this.#chain.state());
    const isDoubtful = draft.results.some(({ kind }) => kind === "refused");
    return isDoubtful ? make(await this.#chain.fresh(true)) : draft;
  }

  async #put(
    group: number,
    bytes: Uint8Array,
    attempt: string,
  ): Promise<"stored" | "lost" | { readonly cause: unknown }> {
    const { store, clock } = this.#ports;
    const { header: end } = await this.#chain.state();
    if (end.group < group) {
      const startedMs = clock.monotonicMs();
      const answer = await store.putIfAbsent(groupPath(this.#chain.info, group), bytes);
      this.#putMs = clock.monotonicMs() - startedMs;
      this.#putStartedMs = startedMs;
      if (answer.outcome === "done") return "stored";
      if (answer.outcome === "unknown") return { cause: answer.cause };
    }
    const there = await this.#chain.header(group);
    if (there) return there.header.attempt === attempt ? "stored" : "lost";
    // A draft from long ago: whose group was there before it was deleted, nobody can tell any more.
    return { cause: new Error(`group ${group} was there and is gone`) };
  }

  /** A writer that knows the end at once would win every race against those who have to read it first. */
  #letOthersGoFirst(): void {
    const { clock, randomness } = this.#ports;
    const nowMs = clock.monotonicMs();
    this.#wins++;
    if (nowMs - this.#foreignMs > COURTESY_MS && this.#wins % COURTESY_ROUNDS !== 0) return;
    this.#notBeforeMs = nowMs + Math.min(PAUSE_MS_MAX, this.#putMs * 1.5) * randomness.fraction();
  }

  #pause(failures: number): Promise<void> {
    const { clock, randomness } = this.#ports;
    const ms = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (failures - 1));
    return clock.sleep(ms * (0.5 + randomness.fraction()));
  }
}

function sizeOf(entry: Entry): number {
  return entry.kind === "batch" ? entry.stored.length : 0;
}

function report(members: readonly Pending[], draft: Draft): void {
  members.forEach((member, i) => (member.result ??= draft.results[i]!));
}

/** What the failure of a round says to those in it. */
function settledError(cause: unknown): unknown {
  if (isAssertion(cause) || hasCode(cause, "log.overloaded") || hasCode(cause, "log.corrupt")) return cause;
  return unknownError(cause);
}

function unknownError(cause: unknown): MuaraError {
  return new MuaraError("log.append_unknown", "The store did not say whether the events are stored.", {
    cause,
  });
}
