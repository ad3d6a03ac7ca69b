/** Tells receivers what is due. One that takes nothing is asked again, ever more seldom, and keeps nobody waiting. */
import { ALERTS_MAX } from "../../core/alert.ts";
import { bounded, due, type Outbox, type OutboxEntry, prune, sent } from "../../core/alert-outbox.ts";
import { Backoff } from "../../core/backoff.ts";
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Logger } from "../../core/logger.ts";
import { Silences, type Silence } from "../../core/silence.ts";
import type { Registry } from "../../core/registry.ts";
import type { OpenReceiver } from "./receivers.ts";

const PAUSE_MS_LEAST = 500;
const PROBLEM_LENGTH_MAX = 300;
/** Of one receiver, twice what a rule may have at once; all of it is written with each state of the rule. */
const ENTRIES_MAX = 2 * ALERTS_MAX;

export interface TellerPorts {
  readonly registry: Registry;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

interface Told {
  readonly receiver: OpenReceiver;
  readonly pause: Backoff;
  /** Not before then, monotonic ms. */
  againMs: number;
  problem: string | undefined;
}

export class Teller {
  readonly #ports: TellerPorts;
  readonly #rule: string;
  readonly #told: readonly Told[];

  constructor(ports: TellerPorts, rule: string, receivers: readonly OpenReceiver[], pauseMsMax: number) {
    this.#ports = ports;
    this.#rule = rule;
    this.#told = receivers.map((receiver) => ({
      receiver,
      pause: new Backoff(PAUSE_MS_LEAST, pauseMsMax, ports.randomness),
      againMs: -Infinity,
      problem: undefined,
    }));
  }

  /** Of the first receiver that takes nothing. */
  get problem(): string | undefined {
    return this.#told.find(({ problem }) => problem !== undefined)?.problem;
  }

  get names(): readonly string[] {
    return this.#told.map(({ receiver }) => receiver.name);
  }

  /** Whether anything is to be sent now. */
  isDue(outboxes: Readonly<Record<string, Outbox>>): boolean {
    const isSilenced = this.#silenced();
    return this.#told.some((told) => this.#dueOf(told, outboxes, isSilenced).length > 0);
  }

  /** @returns the outboxes with what was taken */
  async tell(
    outboxes: Readonly<Record<string, Outbox>>,
    signal: AbortSignal,
  ): Promise<Readonly<Record<string, Outbox>>> {
    const isSilenced = this.#silenced();
    const entries = await Promise.all(
      this.#told.map(async (told) => {
        const { name } = told.receiver;
        const outbox = await this.#tellOne(told, outboxes[name] ?? [], isSilenced, signal);
        return [name, this.#kept(name, prune(outbox, this.#ports.clock.nowMs(), isSilenced))] as const;
      }),
    );
    return Object.fromEntries(entries);
  }

  #kept(receiver: string, outbox: Outbox): Outbox {
    const kept = bounded(outbox, ENTRIES_MAX);
    if (kept.length < outbox.length)
      this.#ports.logger.error("a receiver takes nothing; alerts that are over are given up untold", {
        rule: this.#rule,
        receiver,
        alerts: (outbox.length - kept.length) / 2,
      });
    return kept;
  }

  #dueOf(
    { receiver, againMs }: Told,
    outboxes: Readonly<Record<string, Outbox>>,
    isSilenced: IsSilenced,
  ): OutboxEntry[] {
    const { clock } = this.#ports;
    if (clock.monotonicMs() < againMs) return [];
    return due(outboxes[receiver.name] ?? [], clock.nowMs(), receiver, isSilenced);
  }

  /** In order; what fires goes before what is resolved, so that both may be due at once. */
  async #tellOne(told: Told, outbox: Outbox, isSilenced: IsSilenced, signal: AbortSignal): Promise<Outbox> {
    const { receiver } = told;
    const { clock } = this.#ports;
    let now = outbox;
    for (;;) {
      const entries = this.#dueOf(told, { [receiver.name]: now }, isSilenced).slice(0, receiver.batch);
      if (entries.length === 0 || signal.aborted) return now;
      const alerts = entries.map(({ alert }) => alert);
      const outcome = await receiver.notifier.notify(alerts, signal);
      if (outcome.outcome === "later") return this.#wait(told, now, outcome.reason);
      if (outcome.outcome === "refused")
        this.#ports.logger.error("a receiver has refused alerts; they are not sent again", {
          rule: this.#rule,
          receiver: receiver.name,
          problem: outcome.reason.slice(0, PROBLEM_LENGTH_MAX),
        });
      if (told.problem !== undefined)
        this.#ports.logger.info("a receiver takes alerts again", { receiver: receiver.name });
      told.problem = undefined;
      told.pause.reset();
      const ids = entries.map(({ id }) => id);
      now = sent(now, ids, clock.nowMs());
    }
  }

  #wait(told: Told, outbox: Outbox, reason: string): Outbox {
    const { clock, logger } = this.#ports;
    const { name } = told.receiver;
    const problem = `receiver ${name}: ${reason}`.slice(0, PROBLEM_LENGTH_MAX);
    if (told.problem === undefined) logger.warn("a receiver takes no alerts", { rule: this.#rule, problem });
    told.problem = problem;
    told.againMs = clock.monotonicMs() + told.pause.next();
    return outbox;
  }

  #silenced(): IsSilenced {
    const { registry, clock } = this.#ports;
    const declared = registry.list<Silence>("silence").flatMap(({ value }) => (value ? value : []));
    const silences = new Silences(declared);
    return (labels) => silences.of(labels, clock.nowMs()).length > 0;
  }
}

type IsSilenced = NonNullable<Parameters<typeof due>[3]>;
