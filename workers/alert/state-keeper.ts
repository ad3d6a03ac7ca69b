/**
 * The state of a rule in the lake's store, moved by compare-and-set: who finds that somebody else has moved it is not
 * the one who evaluates the rule, and stands by. Nobody is told of an alert before the state that has it is kept.
 */
import { NO_ALERTS } from "../../core/alert.ts";
import { MuaraError } from "../../core/errors.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import { type Rule, ruleStatePath, type RuleState } from "../../core/rule.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function newState({ id }: Pick<Rule, "id">): RuleState {
  return {
    version: 1,
    id,
    alerts: NO_ALERTS,
    noData: NO_ALERTS,
    outboxes: {},
    events: [],
    evaluatedMs: null,
    versions: {},
    completeThroughMs: null,
    isNoData: false,
    problem: null,
    series: null,
    atMs: 0,
  };
}

export async function readState(
  store: Pick<ObjectStore, "get">,
  { id }: Pick<Rule, "id">,
): Promise<RuleState | undefined> {
  const bytes = await store.get(ruleStatePath(id));
  return bytes && (JSON.parse(decoder.decode(bytes)) as RuleState);
}

export class StateKeeper {
  readonly #store: ObjectStore;
  readonly #rule: Rule;
  readonly #path: string;
  /** Of what is stored; undefined for nothing. */
  #etag: string | undefined;
  #saved = "";

  constructor(store: ObjectStore, rule: Rule) {
    this.#store = store;
    this.#rule = rule;
    this.#path = ruleStatePath(rule.id);
  }

  /** Changes with each save, of whichever process. */
  get etag(): string | undefined {
    return this.#etag;
  }

  async load(): Promise<RuleState> {
    for (;;) {
      const head = await this.#store.head(this.#path);
      const state = head && (await readState(this.#store, this.#rule));
      const again = await this.#store.head(this.#path);
      if (head?.etag !== again?.etag) continue;
      this.#etag = head?.etag;
      this.#saved = state ? factsOf(state) : "";
      return state ?? newState(this.#rule);
    }
  }

  /** Whether there is nothing new in it but when it was evaluated. */
  isSaved(state: RuleState): boolean {
    return factsOf(state) === this.#saved;
  }

  /** @throws declaration.conflict where somebody else moved it, store.unavailable where nobody knows */
  async save(state: RuleState): Promise<void> {
    const bytes = encoder.encode(JSON.stringify(state));
    const put =
      this.#etag === undefined
        ? await this.#store.putIfAbsent(this.#path, bytes)
        : await this.#store.putIfMatch(this.#path, bytes, this.#etag);
    if (put.outcome === "refused")
      throw new MuaraError("declaration.conflict", "Another process evaluates the rule.");
    if (put.outcome === "unknown")
      throw new MuaraError("store.unavailable", "Nobody knows whether the state of a rule is kept.", {
        cause: put.cause,
      });
    this.#etag = put.etag;
    this.#saved = factsOf(state);
  }

  async drop(): Promise<void> {
    await this.#store.delete(this.#path);
  }
}

/** Without what every evaluation moves. */
function factsOf(state: RuleState): string {
  const {
    evaluatedMs: _evaluated,
    atMs: _at,
    completeThroughMs: _through,
    versions: _versions,
    ...rest
  } = state;
  const { alerts, noData, ...facts } = rest;
  const quiet = { alerts: alerts.alerts, noData: noData.alerts };
  return JSON.stringify({ ...facts, ...quiet });
}
