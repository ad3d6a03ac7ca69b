/**
 * One rule for as long as it is declared: evaluates it when something has come or a minute is over, keeps what follows,
 * and then tells it. In this order: what nobody has kept nobody is told of, so after any crash the same alert is told
 * again under the same id, and never another one for the same.
 */
import { isAssertion } from "../../core/assert.ts";
import { Backoff } from "../../core/backoff.ts";
import type { CommitNotices } from "../../core/commit-notices.ts";
import { hasCode } from "../../core/errors.ts";
import { OWNED_LOOK_MS, type Ownership } from "../../core/ports/ownership.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Rule, RuleState } from "../../core/rule.ts";
import { StandBy } from "../../core/stand-by.ts";
import { ended, type EvaluateOptions, type EvaluatePorts, RuleEvaluator } from "./evaluate.ts";
import { publishAlerts, type PublishPorts } from "./publish-alerts.ts";
import type { OpenReceiver } from "./receivers.ts";
import { StateKeeper } from "./state-keeper.ts";
import { Teller, type TellerPorts } from "./teller.ts";

const MINUTE_MS = 60_000;
const PAUSE_MS_LEAST = 500;
const PAUSE_MS_MAX = 30_000;
const PROBLEM_LENGTH_MAX = 300;
/** After an evaluation that has failed, ms. */
const FAILED_MS = 2_000;
/** For telling that alerts are over whose rule has gone, ms. */
const FAREWELL_MS = 5_000;
/** What the owner has for it beside that, ms. */
const FAREWELL_LEAD_MS = 2_000;

export interface RuleOptions extends EvaluateOptions {
  readonly everyMs: number;
  readonly saveMs: number;
  readonly standbyMs: number;
  readonly pauseMsMax: number;
}

export interface RulePorts extends EvaluatePorts, PublishPorts, TellerPorts {
  readonly store: ObjectStore;
  readonly commits: CommitNotices;
  readonly ownership: Pick<Ownership, "owns" | "isDealt">;
  /** Its name, for those who ask where a rule is evaluated. */
  readonly process?: string | undefined;
}

export class RuleLoop {
  readonly #ports: RulePorts;
  readonly #options: RuleOptions;
  readonly #rule: Rule;
  readonly #keeper: StateKeeper;
  readonly #evaluator: RuleEvaluator;
  readonly #teller: Teller;
  readonly #pause: Backoff;
  readonly #standBys: StandBy;
  #state: RuleState | undefined;
  /** Versions of the tables at the latest evaluation that was begun. */
  #seen: Readonly<Record<string, number>> = {};
  #triedMs = -Infinity;
  #savedMs = -Infinity;
  #evaluations = 0;
  #isFailing = false;
  /** Whether it was evaluated since the state was read. */
  #isCurrent = false;

  constructor(ports: RulePorts, options: RuleOptions, rule: Rule, receivers: readonly OpenReceiver[]) {
    this.#ports = ports;
    this.#options = options;
    this.#rule = rule;
    this.#keeper = new StateKeeper(ports.store, rule);
    this.#evaluator = new RuleEvaluator(ports, options, rule);
    this.#teller = new Teller(ports, rule.name, receivers, options.pauseMsMax);
    this.#pause = new Backoff(PAUSE_MS_LEAST, PAUSE_MS_MAX, ports.randomness);
    this.#standBys = new StandBy(ports, options.standbyMs);
  }

  /** undefined before it is known, and where another process evaluates the rule. */
  get state(): RuleState | undefined {
    return this.#state;
  }

  get evaluations(): number {
    return this.#evaluations;
  }

  /** Until the signal is aborted. @throws assertions alone */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, logger, ownership } = this.#ports;
    while (!signal.aborted) {
      try {
        if (!ownership.owns(this.#rule.name)) {
          this.#state = undefined;
          await clock.sleep(Math.min(this.#options.standbyMs, OWNED_LOOK_MS), signal);
          continue;
        }
        this.#state ??= await this.#load();
        const seen = this.#tables().map((table) => this.#ports.commits.count(table));
        await this.#turn(signal);
        this.#pause.reset();
        await this.#wait(seen, signal);
      } catch (error) {
        if (isAssertion(error)) throw error;
        if (signal.aborted) break;
        this.#state = undefined;
        if (hasCode(error, "declaration.conflict")) await this.#standBy(signal);
        else {
          logger.error("a rule cannot go on for now", { rule: this.#rule.name, error });
          await clock.sleep(this.#pause.next(), signal);
        }
      }
    }
    if (this.#isGone()) await this.#farewell();
  }

  /** What has come while it was evaluated by nobody here is not known. */
  async #load(): Promise<RuleState> {
    this.#isCurrent = false;
    const state = await this.#keeper.load();
    const { process } = this.#ports;
    return process === undefined ? state : { ...state, by: process };
  }

  async #turn(signal: AbortSignal): Promise<void> {
    const { clock } = this.#ports;
    const nowMs = this.#momentOf(clock.nowMs());
    if (await this.#isDue(nowMs)) await this.#evaluate(nowMs, signal);
    if (signal.aborted) return;
    const state = this.#state!;
    const isBeat = clock.monotonicMs() - this.#savedMs >= this.#options.saveMs;
    if (isBeat || !this.#keeper.isSaved(state)) await this.#save(state);
    await this.#tell(signal);
  }

  async #evaluate(nowMs: number, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#ports;
    const before = this.#state!;
    this.#triedMs = clock.nowMs();
    this.#seen = await this.#versionsNow(Object.keys(before.versions));
    try {
      const next = await this.#evaluator.evaluate(before, nowMs, signal);
      if (signal.aborted) return;
      if (Object.keys(this.#seen).length < Object.keys(next.versions).length) this.#seen = next.versions;
      this.#evaluations++;
      this.#isCurrent = true;
      this.#isFailing = false;
      this.#state = { ...next, problem: this.#teller.problem ?? null };
    } catch (error) {
      if (isAssertion(error)) throw error;
      if (signal.aborted) return;
      const problem = (error instanceof Error ? error.message : String(error)).slice(0, PROBLEM_LENGTH_MAX);
      if (before.problem !== problem)
        logger.warn("a rule cannot be evaluated", { rule: this.#rule.name, problem });
      this.#isFailing = true;
      // What fires fires on: nobody knows that it is over.
      this.#state = { ...before, problem };
    }
  }

  async #tell(signal: AbortSignal): Promise<void> {
    const state = this.#state!;
    const outboxes = this.#teller.isDue(state.outboxes)
      ? await this.#teller.tell(state.outboxes, signal)
      : state.outboxes;
    await publishAlerts(this.#ports, this.#rule.id, state.events);
    // A receiver that takes something again is no problem any more, long before the next evaluation.
    const problem = this.#teller.problem ?? (this.#isFailing ? state.problem : null);
    const next = { ...state, outboxes, events: [], problem };
    if (!this.#keeper.isSaved(next)) await this.#save(next);
    this.#state = next;
  }

  async #save(state: RuleState): Promise<void> {
    const { clock } = this.#ports;
    this.#state = { ...state, atMs: clock.nowMs() };
    await this.#keeper.save(this.#state);
    this.#savedMs = clock.monotonicMs();
  }

  /** Rules of each minute are evaluated as of its beginning. */
  #momentOf(nowMs: number): number {
    return this.#rule.sql?.every === "minute" ? minuteOf(nowMs) : nowMs;
  }

  async #isDue(nowMs: number): Promise<boolean> {
    const { clock } = this.#ports;
    const { evaluatedMs } = this.#state!;
    const leastMs = this.#isFailing ? Math.max(this.#options.everyMs, FAILED_MS) : this.#options.everyMs;
    if (clock.nowMs() - this.#triedMs < leastMs) return false;
    if (
      !this.#isCurrent ||
      evaluatedMs === null ||
      this.#isFailing ||
      minuteOf(nowMs) > minuteOf(evaluatedMs)
    )
      return true;
    if (this.#rule.sql?.every === "minute") return false;
    const now = await this.#versionsNow(Object.keys(this.#seen));
    return Object.entries(now).some(([table, version]) => version !== this.#seen[table]);
  }

  async #versionsNow(tables: readonly string[]): Promise<Readonly<Record<string, number>>> {
    const { catalog } = this.#ports;
    const entries = tables.map(async (name) => {
      const table = await catalog.find(name);
      return [name, table ? (await catalog.snapshot(table.name)).version : -1] as const;
    });
    return Object.fromEntries(await Promise.all(entries));
  }

  #tables(): readonly string[] {
    return Object.keys(this.#state!.versions);
  }

  /** Until there is a commit, or for so long. @param seen [table] */
  async #wait(seen: readonly number[], signal: AbortSignal): Promise<void> {
    const { clock, commits } = this.#ports;
    const { everyMs } = this.#options;
    const sinceMs = clock.nowMs() - this.#triedMs;
    if (sinceMs < everyMs) await clock.sleep(everyMs - Math.max(0, sinceMs), signal);
    const over = new AbortController();
    const either = AbortSignal.any([signal, over.signal]);
    const told = this.#tables().map((table, i) => {
      const count = seen[i] ?? commits.count(table);
      return commits.wait(table, count, everyMs, clock, either);
    });
    await (told.length === 0 ? clock.sleep(everyMs, either) : Promise.race(told));
    over.abort();
  }

  /** Somebody else evaluates: until nothing of that is seen any more. */
  async #standBy(signal: AbortSignal): Promise<void> {
    const { clock, logger, ownership } = this.#ports;
    logger.info("another process evaluates the rule", { rule: this.#rule.name });
    if (ownership.isDealt) return clock.sleep(this.#standBys.met(true), signal);
    for (let seen: string | undefined = ""; !signal.aborted;) {
      await this.#keeper.load().catch(() => undefined);
      if (this.#keeper.etag === seen) return;
      seen = this.#keeper.etag;
      await clock.sleep(this.#standBys.met(false), signal);
    }
  }

  #isGone(): boolean {
    return this.#ports.registry.get<Rule>("rule", this.#rule.name)?.value?.id !== this.#rule.id;
  }

  /** Who was told that something fires is told that it is over: by its owner, or, where he is gone, by the others. */
  async #farewell(): Promise<void> {
    const { clock, logger, ownership } = this.#ports;
    const never = new AbortController().signal;
    try {
      if (!ownership.owns(this.#rule.name)) await clock.sleep(FAREWELL_MS + FAREWELL_LEAD_MS, never);
      const signal = AbortSignal.timeout(FAREWELL_MS);
      const state = ended(this.#rule, await this.#keeper.load(), clock.nowMs());
      await this.#teller.tell(state.outboxes, signal);
      await publishAlerts(this.#ports, this.#rule.id, state.events);
      await this.#keeper.drop();
    } catch (error) {
      if (isAssertion(error)) throw error;
      logger.warn("a rule has gone, and not everybody was told", { rule: this.#rule.name, error });
    }
  }
}

function minuteOf(ms: number): number {
  return Math.floor(ms / MINUTE_MS) * MINUTE_MS;
}
