/**
 * A delta load: one round after the other over its tables, page by page, each durable in the log before the next one
 * is read. A row that a former round has brought is left out, as long as this process knows it; after a start the
 * overlap comes again.
 */
import { isAssertion } from "../../core/assert.ts";
import { Backoff } from "../../core/backoff.ts";
import { type Capture, captureRequestSchema } from "../../core/capture.ts";
import { eventTypeNames } from "../../core/capture-names.ts";
import type { DeltaLoad, DeltaLoadPlace, DeltaLoadState } from "../../core/delta-load.ts";
import { MuaraError } from "../../core/errors.ts";
import type { OpenSource, SourceDatabase } from "../../core/ports/source-database.ts";
import type { DeltaPage, SourceDelta } from "../../core/ports/source-delta.ts";
import type { AppendPorts } from "../ingest/append-at-last.ts";
import { appendChanges } from "./append-changes.ts";
import type { DeclarePorts } from "../ingest/declaration.ts";
import { Binder } from "./binding.ts";
import { ensurePartitions } from "./event-types.ts";
import { nextIncarnation } from "./incarnation.ts";
import { SeenRows } from "./seen-rows.ts";

const KIND = "delta-load-state";
const PAUSE_MS_LEAST = 200;
const PAUSE_MS_MAX = 30_000;
const PARTITION = 0;

export interface DeltaLoadPorts extends AppendPorts, DeclarePorts {
  readonly openSource: OpenSource;
}

/** Until the signal is aborted. Of several processes one does it; the others wait. */
export async function runDeltaLoad(
  ports: DeltaLoadPorts,
  load: DeltaLoad,
  signal: AbortSignal,
): Promise<void> {
  const { clock, logger, randomness } = ports;
  const pause = new Backoff(PAUSE_MS_LEAST, PAUSE_MS_MAX, randomness);
  while (!signal.aborted) {
    try {
      const source = await ports.openSource(load.database);
      const release = await source.claim(`muara delta load ${load.name}`);
      if (release)
        try {
          await new Run(ports, load, source, () => pause.reset()).run(signal);
        } finally {
          await release();
        }
    } catch (error) {
      if (signal.aborted) return;
      if (isAssertion(error)) throw error;
      logger.warn("a delta load rests", { load: load.name, error });
    }
    await clock.sleep(pause.next(), signal);
  }
}

class Run {
  readonly #ports: DeltaLoadPorts;
  readonly #load: DeltaLoad;
  readonly #source: SourceDatabase;
  readonly #onPage: () => void;
  /** By table: rows that are in the log and may come again. */
  readonly #seen = new Map<string, SeenRows>();
  #revision = 0;
  #tables: Readonly<Record<string, DeltaLoadPlace>> = {};
  #number = 0;

  constructor(ports: DeltaLoadPorts, load: DeltaLoad, source: SourceDatabase, onPage: () => void) {
    this.#ports = ports;
    this.#load = load;
    this.#source = source;
    this.#onPage = onPage;
  }

  async run(signal: AbortSignal): Promise<void> {
    const { registry, clock } = this.#ports;
    await registry.refresh();
    const stored = registry.get<DeltaLoadState>(KIND, this.#load.name);
    this.#revision = stored?.revision ?? 0;
    this.#tables = stored?.value?.tables ?? {};
    // Another one for each run: so no two rows ever have the same place.
    const incarnation = await nextIncarnation(registry);
    const delta = this.#source.delta();
    try {
      while (!signal.aborted) {
        for (const [table, eventType] of eventTypeNames(asCapture(this.#load)))
          await this.#round(delta, table, eventType, incarnation, signal);
        await clock.sleep(this.#load.everyMs, signal);
      }
    } finally {
      await delta.close();
    }
  }

  async #round(
    delta: SourceDelta,
    table: string,
    eventType: string,
    incarnation: number,
    signal: AbortSignal,
  ): Promise<void> {
    const { column, overlapMs, rows } = this.#load;
    const [schema, name] = table.split(/\.(.*)/s) as [string, string];
    const bind = this.#bind(table, eventType);
    const from = this.#tables[table]?.until ?? null;
    let until = from;
    let after: readonly string[] | null = null;
    const before = this.#seen.get(table);
    const now = new SeenRows();
    for (let isLast = false; !isLast && !signal.aborted;) {
      const isWanted = ([time, ...key]: readonly string[]): boolean => {
        const id = JSON.stringify(key);
        now.note(id, time!);
        return before?.timeOf(id) !== time;
      };
      const target = { schema, name, shard: this.#load.shard ?? this.#load.database, incarnation, bind };
      const request = { column, from, overlapMs, after, rows, number: this.#number, isWanted };
      const page: DeltaPage = await delta.page(target, request);
      ({ isLast } = page);
      after = page.last ?? after;
      // A time that is yet to come would hide what is written until then.
      const newest = page.last && page.last[0]! < page.now ? page.last[0]! : page.now;
      if (page.last && (until === null || newest > until)) until = newest;
      await this.#keep(table, page, until, signal);
      if (until !== null) now.forgetBefore(until, overlapMs);
      this.#onPage();
    }
    this.#seen.set(table, now);
  }

  #bind(table: string, eventType: string): Binder["bind"] {
    const tables = new Map([[table, { eventType, partition: PARTITION }]]);
    const binder = new Binder(this.#ports, asCapture(this.#load), this.#source, tables);
    return async (relation) => {
      const binding = await binder.bind(relation);
      await ensurePartitions(this.#ports, eventType, PARTITION + 1, "system");
      return binding;
    };
  }

  /** Durable first, then known to be. */
  async #keep(table: string, { part }: DeltaPage, until: string | null, signal: AbortSignal): Promise<void> {
    const { registry, clock } = this.#ports;
    const count = part?.records.count ?? 0;
    if (part) await appendChanges(this.#ports, part.stream, part.partition, part.records, signal);
    this.#number += count;
    const place = this.#tables[table];
    if (count === 0 && place?.until === until) return;
    this.#tables = { ...this.#tables, [table]: { until, rows: (place?.rows ?? 0) + count } };
    const state: DeltaLoadState = { tables: this.#tables, atMs: clock.nowMs() };
    this.#revision = (await registry.put(KIND, this.#load.name, this.#revision, state)).revision;
  }
}

/** What a capture of the same tables would be declared as. */
function asCapture({ name, database, tables, shard, owningApplication }: DeltaLoad): Capture {
  const parsed = captureRequestSchema.safeParse({
    name,
    database,
    tables,
    copy: "none",
    owning_application: owningApplication,
  });
  if (!parsed.success)
    throw new MuaraError("config.invalid", `deltaLoads.${name}: ${parsed.error.issues[0]!.message}`);
  const own = { id: name, isPaused: false, by: "system", createdMs: 0 };
  return { ...parsed.data, ...own, shard: shard ?? database };
}
