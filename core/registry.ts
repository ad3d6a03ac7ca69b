/**
 * The registry: everything declared (event types, tokens, …) in one compacted stream of the log itself, replayed
 * at start. A declaration has revisions 1, 2, 3 …; of several writers of one revision the first record by offset
 * wins, so a conflict is found by reading back, without locks. Revision n + 1 comes in one batch with the tombstone
 * of revision n, which is over whoever wins; the losers get theirs afterwards, and compaction removes them all.
 *
 * Changes of one name wait for each other; those of several names share the log's syncs.
 */
import type { Clock } from "./clock.ts";
import { MuaraError } from "./errors.ts";
import type { Log } from "./ports/log.ts";
import { packRecords, payloadOf } from "./record.ts";

export const META_STREAM = "muara.meta";
const READ_BYTES = 1_048_576;

export type DeclarationKind =
  | "capture"
  | "capture-incarnation"
  | "capture-state"
  | "data-format"
  | "delivery"
  | "delta-load-state"
  | "delivery-erasure"
  | "delivery-position"
  | "erasure"
  | "event-schema"
  | "event-type"
  | "event-type-removal"
  | "job"
  | "key"
  | "process"
  | "reconciliation"
  | "role"
  | "rule"
  | "setting"
  | "share"
  | "silence"
  | "subscription"
  | "subscription-cursors"
  | "subscription-node"
  | "subscription-topology"
  | "token";

export interface Declaration<Value = unknown> {
  readonly kind: DeclarationKind;
  readonly name: string;
  /** 1 for the first; grows by one with each change. */
  readonly revision: number;
  /** Unique per attempt: the process and the number of its change. */
  readonly writer: string;
  /** Wall clock of the writer, ms since 1970 UTC. */
  readonly atMs: number;
  /** null: removed. */
  readonly value: Value | null;
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

export class Registry {
  readonly #log: Log;
  readonly #writer: string;
  readonly #clock: Clock;
  readonly #newest = new Map<DeclarationKind, Map<string, Declaration>>();
  #next = 0;
  #reading: Promise<void> = Promise.resolve();
  /** A read that has not begun: it sees whatever is durable now. */
  #reads: Promise<void> | undefined;
  /** By kind and name: the last change under way. */
  readonly #changing = new Map<string, Promise<unknown>>();
  /** Writers of own changes that are not known to have won. */
  readonly #attempted = new Set<string>();
  /** Called after each own change, before whoever asked for it is told; `by` is a principal. */
  onChange: ((before: Declaration | undefined, after: Declaration, by: string) => Promise<void>) | undefined;
  #changeCount = 0;
  #attempts = 0;

  private constructor(log: Log, writer: string, clock: Clock) {
    this.#log = log;
    this.#writer = writer;
    this.#clock = clock;
  }

  /** Replays what is declared. `writer` is unique per process. */
  static async open(log: Log, writer: string, clock: Clock): Promise<Registry> {
    await log.createStream(META_STREAM, { partitions: 1, cleanup: "compact", retentionMs: 0 });
    const registry = new Registry(log, writer, clock);
    await registry.refresh();
    return registry;
  }

  /** Grows whenever any declaration changes; lets followers skip work. */
  get changeCount(): number {
    return this.#changeCount;
  }

  /** The newest revision. @returns undefined where nothing of that name is declared (any more) */
  get<Value>(kind: DeclarationKind, name: string): Declaration<Value> | undefined {
    const found = this.#newest.get(kind)?.get(name);
    return found && found.value !== null ? (found as Declaration<Value>) : undefined;
  }

  /** What is declared of a kind, by name. */
  list<Value>(kind: DeclarationKind): readonly Declaration<Value>[] {
    const found = [...(this.#newest.get(kind)?.values() ?? [])].filter((entry) => entry.value !== null);
    return (found as Declaration<Value>[]).sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * Declares a new revision (`value` null removes).
   * @param revision the revision that the caller saw; 0 for none
   * @param by the principal that wants it
   * @throws declaration.conflict when another writer came first
   */
  put<Value>(
    kind: DeclarationKind,
    name: string,
    revision: number,
    value: Value | null,
    by = "system",
  ): Promise<Declaration<Value>> {
    // One after the other: of two at the same time the second would only lose against the first.
    const id = `${kind}/${name}`;
    const change = (this.#changing.get(id) ?? Promise.resolve()).then(() =>
      this.#put(kind, name, revision, value, by),
    );
    const settled = change
      .catch(() => undefined)
      .finally(() => {
        if (this.#changing.get(id) === settled) this.#changing.delete(id);
      });
    this.#changing.set(id, settled);
    return change;
  }

  async #put<Value>(
    kind: DeclarationKind,
    name: string,
    revision: number,
    value: Value | null,
    by: string,
  ): Promise<Declaration<Value>> {
    const before = this.#newest.get(kind)?.get(name);
    const seen = before ? (before.value === null && revision === 0 ? before.revision : revision) : revision;
    if ((before?.revision ?? 0) !== seen) throw conflict(kind, name);
    const declaration = {
      kind,
      name,
      revision: seen + 1,
      // An attempt of unknown outcome may be stored. Under the same key, burying the next one would delete it.
      writer: `${this.#writer}.${++this.#attempts}`,
      atMs: this.#clock.nowMs(),
      value,
    };
    this.#attempted.add(declaration.writer);
    try {
      await this.#log.append(
        META_STREAM,
        0,
        packRecords([
          { key: keyOf(declaration), payload: encoder.encode(JSON.stringify(declaration)) },
          ...(before ? [{ key: keyOf(before), payload: null }] : []),
        ]),
      );
      await this.refresh();
      // Taken off the list when it was applied, even where somebody has replaced it since.
      if (!this.#attempted.has(declaration.writer)) {
        await this.onChange?.(before, declaration, by);
        return declaration;
      }
    } finally {
      this.#attempted.delete(declaration.writer);
    }
    await this.#log.append(META_STREAM, 0, packRecords([{ key: keyOf(declaration), payload: null }]));
    throw conflict(kind, name);
  }

  /** Reads what others declared meanwhile. */
  refresh(): Promise<void> {
    this.#reads ??= this.#reading
      // A read that failed is no reason for the next one to fail.
      .catch(() => undefined)
      .then(() => {
        this.#reads = undefined;
        this.#reading = this.#readOn();
        return this.#reading;
      });
    return this.#reads;
  }

  async #readOn(): Promise<void> {
    for (;;) {
      const { startOffset, endOffset } = await this.#log.bounds(META_STREAM, 0);
      this.#next = Math.max(this.#next, startOffset);
      if (this.#next >= endOffset) return;
      const batch = await this.#log.read(META_STREAM, 0, this.#next, READ_BYTES);
      for (let i = 0; i < batch.count; i++) {
        const payload = payloadOf(batch, i);
        if (payload) this.#apply(JSON.parse(decoder.decode(payload)) as Declaration);
      }
      this.#next = batch.next;
    }
  }

  #apply(declaration: Declaration): void {
    const { kind, name, revision, writer } = declaration;
    let ofKind = this.#newest.get(kind);
    if (!ofKind) this.#newest.set(kind, (ofKind = new Map()));
    if ((ofKind.get(name)?.revision ?? 0) >= revision) return;
    ofKind.set(name, declaration);
    this.#attempted.delete(writer);
    this.#changeCount++;
  }
}

function keyOf(declaration: Declaration): string {
  return `${declaration.kind}/${declaration.name}/${declaration.revision}/${declaration.writer}`;
}

function conflict(kind: DeclarationKind, name: string): MuaraError {
  return new MuaraError("declaration.conflict", `${kind} "${name}" was changed by somebody else.`, {
    details: { kind, name },
  });
}
