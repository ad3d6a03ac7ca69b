/**
 * One feed kept up: looks at what its tables have by now, finds the closed windows whose rows changed, makes them, and
 * publishes versions. An extract is a pure function of SQL, window and input versions, so a pass that is killed
 * anywhere is simply done again: what is published stays, the rest is made anew, equal.
 */
import type { Feed } from "../../core/extract-feed.ts";
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { watermarkOf } from "../../core/landed.ts";
import type { Logger } from "../../core/logger.ts";
import type { Lineage } from "../../core/ports/lineage.ts";
import { traced } from "../../core/trace.ts";
import type { Catalog } from "../catalog.ts";
import type { QueryService } from "../query/service.ts";
import { describeSql, isRequired, planFeed, type FeedPlan } from "./feed-plan.ts";
import type { FeedState } from "./feed-state.ts";
import { ExtractLineage } from "./extract-lineage.ts";
import type { FeedStore } from "./feed-store.ts";
import { EXTRACT_SYSTEM, makeWindow, scanPrefix, type MadeWindow, type MakerTools } from "./make-window.ts";
import { sealManifest, type Manifest, type ManifestCheck, type Reason } from "./manifest.ts";
import { writeRedshiftManifest } from "./redshift-manifest.ts";
import { closedUntil, windowLength, windowName, windowStart } from "./window.ts";
import { Workbench } from "./workbench.ts";

const DAY_MS = 86_400_000;
const WINDOWS_PER_VERSION = 31;

export interface FeedMakerPorts {
  readonly catalog: Catalog;
  /** For extracts alone, with their limits. */
  readonly query: QueryService;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Absent: nobody is told what was made of what. */
  readonly lineage?: Lineage | undefined;
}

export interface FeedMakerOptions {
  /** A file of an extract, bytes. */
  readonly fileBytes: number;
  /** Of the engine that compares and cuts, bytes. */
  readonly memoryBytes: number;
  /** Of one query, ms. */
  readonly timeoutMs: number;
  /** In one version, so that a feed's first days are published as they are made; default 31. */
  readonly windowsPerVersion?: number;
}

export interface Withheld {
  readonly window: string;
  readonly failed: readonly ManifestCheck[];
}

/** What a pass found; JSON-ready. */
export interface PassReport {
  /** Made in this pass. */
  readonly published: number;
  readonly completeThroughMs: number | null;
  /** Why nothing can be made yet; null where it can. */
  readonly waitsFor: string | null;
  readonly withheld: readonly Withheld[];
  /** Rows whose time is NULL: they belong to no window. */
  readonly rowsWithoutTime: number;
  /** Rows that came to windows that are final. */
  readonly rowsTooLate: number;
  /** Whether a window was published without rows of somebody who was erased: what is older must go. */
  readonly erased: boolean;
}

interface Pinned {
  readonly inputs: Readonly<Record<string, number>>;
  readonly closedMs: number;
  /** Schemas of the tables: while they stay, so do the columns. */
  readonly schemas: string;
  readonly removed: Removed;
}

/** Rows by reason, ever, over all tables (`muara:removed:<reason>`). */
type Removed = Readonly<Record<string, number>>;
const REMOVED_PREFIX = "muara:removed:";

interface Scanned {
  readonly byWindow: ReadonlyMap<string, { readonly scan: string; readonly rows: number }>;
  readonly rowsWithoutTime: number;
}

export class FeedMaker {
  readonly feed: Feed;
  readonly store: FeedStore;
  readonly #tables: readonly string[];
  readonly #ports: FeedMakerPorts;
  readonly #options: FeedMakerOptions;
  /** Scans whose rows are known to be the published ones, or to fail a check. */
  readonly #settled = new Map<
    string,
    { readonly scan: string; readonly withheld?: Withheld; readonly rowsTooLate?: number }
  >();
  #plan: { readonly schemas: string; readonly plan: FeedPlan } | undefined;
  #last: { readonly key: string; readonly report: PassReport } | undefined;

  /** @param tables that the SQL reads, as written */
  constructor(
    feed: Feed,
    tables: readonly string[],
    store: FeedStore,
    ports: FeedMakerPorts,
    options: FeedMakerOptions,
  ) {
    this.feed = feed;
    this.store = store;
    this.#tables = tables;
    this.#ports = ports;
    this.#options = options;
  }

  /** @throws config.invalid where SQL and declaration do not fit; what queries and the store throw */
  async pass(signal: AbortSignal): Promise<PassReport> {
    const pinned = await this.#pin();
    if (typeof pinned === "string") return report({ waitsFor: pinned });
    let state = await this.store.state();
    const key = JSON.stringify([pinned, state.version]);
    if (this.#last?.key === key) return { ...this.#last.report, published: 0 };
    const plan = await this.#planned(pinned, signal);
    const scanned = await this.#scan(plan, pinned, signal);
    const changed = this.#changed(plan, scanned, pinned, state);
    let published = 0;
    let erased = false;
    if (changed.length > 0) {
      const bench = await Workbench.open(this.#options.memoryBytes);
      try {
        const tools = this.#tools(plan, bench, pinned, state);
        const { windowsPerVersion: size = WINDOWS_PER_VERSION } = this.#options;
        for (let at = 0; at < changed.length; at += size) {
          const batch = changed.slice(at, at + size);
          const base = state;
          const attributes = { "muara.feed": this.feed.name, "muara.windows": batch.length };
          const told = new ExtractLineage(this.#ports, this.feed.name, pinned.inputs);
          const publish = (): Promise<boolean | undefined> =>
            this.#publish(tools, batch, scanned, changed.slice(at), pinned, base, signal);
          const isOurs = await traced(
            "extract build",
            () => ({ attributes }),
            () => told.failing(publish),
          );
          state = await this.store.state();
          if (isOurs) told.published(state.newest);
          if (isOurs === false) break; // somebody else makes this feed, too; the next pass sees what is left
          if (isOurs) published++;
          erased ||= state.newest?.partitions.some(({ reason }) => reason === "erasure") ?? false;
        }
      } finally {
        await bench.close();
      }
    }
    const left = this.#changed(plan, scanned, pinned, state);
    const done = report({
      published,
      erased,
      completeThroughMs: this.#completeThrough(left, pinned, state),
      withheld: [...this.#settled.values()].flatMap(({ withheld }) => (withheld ? [withheld] : [])),
      rowsWithoutTime: scanned.rowsWithoutTime,
      rowsTooLate: this.#rowsTooLate(scanned, pinned, state),
    });
    const isDone = left.every((name) => this.#settled.get(name)?.scan === scanned.byWindow.get(name)?.scan);
    this.#last = isDone ? { key: JSON.stringify([pinned, state.version]), report: done } : undefined;
    return done;
  }

  async #pin(): Promise<Pinned | string> {
    const inputs: Record<string, number> = {};
    const schemas: string[] = [];
    const removed: Record<string, number> = {};
    let throughMs = Infinity;
    for (const written of this.#tables) {
      const table = await this.#ports.catalog.find(written);
      const snapshot = table && (await this.#ports.catalog.snapshot(table.name));
      if (!snapshot || snapshot.version < 0) return `the table "${written}" does not exist yet`;
      const watermark = watermarkOf(snapshot.txns);
      if (watermark === undefined) return `the table "${written}" has no watermark`;
      inputs[table.name] = snapshot.version;
      for (const [name, count] of snapshot.txns) {
        const reason = name.startsWith(REMOVED_PREFIX) ? name.slice(REMOVED_PREFIX.length) : undefined;
        if (reason !== undefined) removed[reason] = (removed[reason] ?? 0) + Number(count);
      }
      schemas.push(this.#ports.catalog.schema(table, snapshot).schemaString);
      throughMs = Math.min(throughMs, watermark);
    }
    const closedMs = closedUntil(this.feed.window, throughMs);
    return { inputs, closedMs, schemas: schemas.join("\n"), removed };
  }

  async #planned({ inputs, schemas }: Pinned, signal: AbortSignal): Promise<FeedPlan> {
    if (this.#plan?.schemas !== schemas) {
      const request = { sql: describeSql(this.feed), at: inputs, principal: EXTRACT_SYSTEM };
      const { columns } = await this.#ports.query.rows(request, signal);
      this.#plan = { schemas, plan: planFeed(this.feed, columns) };
    }
    return this.#plan.plan;
  }

  async #scan(plan: FeedPlan, { inputs, closedMs }: Pinned, signal: AbortSignal): Promise<Scanned> {
    const { timeoutMs } = this.#options;
    const request = { sql: plan.scan, at: inputs, principal: EXTRACT_SYSTEM, timeoutMs };
    const { rows, isTruncated } = await this.#ports.query.rows(request, signal);
    if (isTruncated)
      throw new MuaraError(
        "extract.failed",
        `The feed has more than ${rows.length} windows; make them days.`,
      );
    const byWindow = new Map<string, { scan: string; rows: number }>();
    let rowsWithoutTime = 0;
    for (const [start, count, xor, sum] of rows) {
      if (start === null) rowsWithoutTime = Number(count);
      else if (Number(start) + windowLength(this.feed.window) <= closedMs)
        byWindow.set(windowName(this.feed.window, Number(start)), {
          scan: `${scanPrefix(plan)}${String(count)}:${String(xor)}:${String(sum)}`,
          rows: Number(count),
        });
    }
    return { byWindow, rowsWithoutTime };
  }

  /** Names of closed windows that have to be made, oldest first. */
  #changed(plan: FeedPlan, { byWindow }: Scanned, pinned: Pinned, state: FeedState): readonly string[] {
    const { window } = this.feed;
    const { closedMs } = pinned;
    const isReopened = hasErased(state.newest?.removed ?? {}, pinned.removed);
    const emptied = `${scanPrefix(plan)}0:null:null`;
    const names = new Set([...byWindow.keys(), ...state.windows.keys()]);
    return [...names]
      .filter((name) => {
        const published = state.windows.get(name)?.partition;
        const now = byWindow.get(name)?.scan ?? emptied;
        if (published && !isReopened && this.#isFinal(name, closedMs)) return false;
        if (windowStart(window, name) + windowLength(window) > closedMs) return false;
        const known = this.#settled.get(name);
        return now !== published?.scan && (known?.scan !== now || known.withheld !== undefined);
      })
      .sort();
  }

  #isFinal(name: string, closedMs: number): boolean {
    const endMs = windowStart(this.feed.window, name) + windowLength(this.feed.window);
    return endMs <= closedMs - this.feed.reviseDays * DAY_MS;
  }

  #rowsTooLate({ byWindow }: Scanned, { closedMs }: Pinned, state: FeedState): number {
    let rows = [...this.#settled.values()].reduce((sum, known) => sum + (known.rowsTooLate ?? 0), 0);
    for (const [name, { partition }] of state.windows)
      if (this.#isFinal(name, closedMs))
        rows += Math.max(0, (byWindow.get(name)?.rows ?? 0) - scannedRows(partition.scan));
    return rows;
  }

  /** Until where every window is published: before the first that is not. */
  #completeThrough(left: readonly string[], { closedMs }: Pinned, state: FeedState): number {
    const missing = left.find((name) => !state.windows.has(name));
    return missing === undefined ? closedMs : Math.min(closedMs, windowStart(this.feed.window, missing));
  }

  /** @returns whether it was published; undefined where there was nothing to publish */
  async #publish(
    tools: MakerTools,
    batch: readonly string[],
    { byWindow }: Scanned,
    left: readonly string[],
    pinned: Pinned,
    state: FeedState,
    signal: AbortSignal,
  ): Promise<boolean | undefined> {
    const made: MadeWindow[] = [];
    const later = left.filter((name) => !batch.includes(name));
    for (const name of batch) {
      const scan = byWindow.get(name)?.scan ?? `${scanPrefix(tools.plan)}0:null:null`;
      const known = this.#settled.get(name);
      if (known?.withheld && known.scan === scan) continue;
      const startMs = windowStart(this.feed.window, name);
      const isFinal = this.#isFinal(name, pinned.closedMs);
      const outcome = await makeWindow({ ...tools, isFinal }, startMs, scan, state.windows.get(name), signal);
      this.#settled.delete(name);
      if (outcome.kind === "made") made.push(outcome);
      if (outcome.kind === "unchanged") this.#settled.set(name, { scan, rowsTooLate: outcome.rowsTooLate });
      if (outcome.kind === "withheld") {
        const failed = outcome.quality.filter(({ ok }) => !ok);
        this.#settled.set(name, { scan, withheld: { window: name, failed } });
        this.#ports.logger.error("a window is withheld", { feed: this.feed.name, window: name, failed });
      }
    }
    if (made.length === 0) return undefined;
    const withheld = [...this.#settled].flatMap(([name, known]) => (known.withheld ? [name] : []));
    const open = [...withheld, ...later].sort();
    const manifest = this.#manifest(tools.plan, made, pinned, state, open);
    await writeRedshiftManifest(this.store, manifest);
    const isOurs = await this.store.publish(manifest, signal);
    const { version, rows } = manifest;
    if (isOurs)
      this.#ports.logger.info("extract", { feed: this.feed.name, version, rows, windows: made.length });
    return isOurs;
  }

  #manifest(
    plan: FeedPlan,
    made: readonly MadeWindow[],
    pinned: Pinned,
    state: FeedState,
    open: readonly string[],
  ): Manifest {
    const { feed } = this;
    const { inputs } = pinned;
    const nowMs = this.#ports.clock.nowMs();
    const files = made.flatMap((window) => window.files).map((file, id) => ({ id: String(id), ...file }));
    let next = 0;
    const partitions = made.map(({ partition, files: own }) => ({
      ...partition,
      files: own.map(() => String(next++)),
    }));
    return sealManifest({
      feed: feed.name,
      version: state.version + 1,
      kind: feed.kind,
      full: false,
      window: feed.window,
      time: feed.time,
      key: feed.key,
      inputs,
      // A pass that ends before its last window must find the same reasons again.
      removed: open.length === 0 ? pinned.removed : (state.newest?.removed ?? {}),
      created: new Date(nowMs).toISOString(),
      complete_through: new Date(this.#completeThrough(open, pinned, state)).toISOString(),
      previous: state.version === 0 ? null : state.version,
      retained_until: new Date(nowMs + feed.retentionDays * DAY_MS).toISOString(),
      contract: { id: feed.name, version: feed.version, href: `/v1/extracts/${feed.name}/contract` },
      definition_sha256: plan.definition,
      schema: plan.columns.map(({ name, type }) => ({
        name,
        type,
        required: isRequired(feed, name),
        doc: feed.columns[name]?.description ?? "",
      })),
      partitions,
      files,
      rows: partitions.reduce((sum, partition) => sum + partition.rows, 0),
      quality: made.flatMap((window) => window.quality),
    });
  }

  #tools(plan: FeedPlan, bench: Workbench, { inputs, removed }: Pinned, state: FeedState): MakerTools {
    const { store } = this;
    const { query, logger } = this.#ports;
    const { fileBytes, timeoutMs } = this.#options;
    const why = whyRemoved(state.newest?.removed ?? {}, removed);
    return { plan, store, query, bench, logger, inputs, fileBytes, timeoutMs, whyRemoved: why };
  }
}

/**
 * Why rows that were published are gone from the tables. A table whose rows retention takes away has kept its promise,
 * and the extract keeps its own: such a window stays as it was published.
 * @param before counters of the last version whose pass was not cut off
 */
function whyRemoved(before: Removed, now: Removed): Reason | "retention" {
  const grew = (reason: string): boolean => (now[reason] ?? 0) > (before[reason] ?? 0);
  if (grew("erasure")) return "erasure";
  return !grew("rollback") && (now["retention"] ?? 0) > 0 ? "retention" : "changed inputs";
}

/**
 * Whether somebody was erased since, and the tables still have everything else: then final windows are looked at, too.
 * Where retention or a rollback has taken rows, only the extract has those, and a window made anew would lose them.
 */
function hasErased(before: Removed, now: Removed): boolean {
  const isWhole = Object.entries(now).every(([reason, rows]) => reason === "erasure" || rows === 0);
  return isWhole && (now["erasure"] ?? 0) > (before["erasure"] ?? 0);
}

function scannedRows(scan: string): number {
  return Number(scan.split(":")[1] ?? 0);
}

function report(found: Partial<PassReport>): PassReport {
  return {
    published: 0,
    completeThroughMs: null,
    waitsFor: null,
    withheld: [],
    rowsWithoutTime: 0,
    rowsTooLate: 0,
    erased: false,
    ...found,
  };
}
