/**
 * Makes one window of a feed: its rows out of a query process, hashed and held against what is published, checked, cut
 * and uploaded. Nothing is visible before a manifest names it; what a killed process has left is used again or swept.
 */
import type { Principal } from "../../core/authorize.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Logger } from "../../core/logger.ts";
import { copyObject, putLocalFile } from "../local-copy.ts";
import type { QueryService } from "../query/service.ts";
import type { FeedPlan } from "./feed-plan.ts";
import type { FeedStore } from "./feed-store.ts";
import type { PublishedWindow } from "./feed-state.ts";
import type { ManifestCheck, ManifestFile, ManifestPartition, Reason } from "./manifest.ts";
import { windowLength, windowName } from "./window.ts";
import type { CutFile, Workbench } from "./workbench.ts";

/**
 * Extracts are made with every right to read tables, and granted as things of their own: who may read an extract sees
 * its rows, whatever they may read of the tables.
 */
export const EXTRACT_SYSTEM: Principal = {
  id: "system:extract",
  grants: [{ action: "read", kind: "table", name: "*" }],
};

/** Digits of a file's hash in its name. */
const NAME_DIGITS = 16;

export interface MakerTools {
  readonly plan: FeedPlan;
  readonly store: FeedStore;
  readonly query: QueryService;
  readonly bench: Workbench;
  readonly logger: Logger;
  /** Version of each table. */
  readonly inputs: Readonly<Record<string, number>>;
  /** A file of an extract, bytes. */
  readonly fileBytes: number;
  readonly timeoutMs: number;
  /** Why rows that were published are gone. */
  readonly whyRemoved: Reason | "retention";
}

/** A partition whose files are in place; their ids count from 0 within it. */
export interface MadeWindow {
  readonly kind: "made";
  readonly partition: Omit<ManifestPartition, "files">;
  readonly files: readonly Omit<ManifestFile, "id">[];
  readonly quality: readonly ManifestCheck[];
}

export type WindowOutcome =
  | MadeWindow
  /** The rows are those that are published, or stay as published; rows that came since are then too late. */
  | { readonly kind: "unchanged"; readonly rowsTooLate: number }
  /** A check of severity `error` did not hold. */
  | { readonly kind: "withheld"; readonly quality: readonly ManifestCheck[] };

export async function makeWindow(
  tools: MakerTools & {
    /** Only an erasure makes it anew: rows that came are too late. */
    readonly isFinal: boolean;
  },
  startMs: number,
  scan: string,
  published: PublishedWindow | undefined,
  signal: AbortSignal,
): Promise<WindowOutcome> {
  const { plan, bench } = tools;
  const path = await evaluate(tools, plan.window(startMs), signal);
  const content = await bench.contentHash(plan, path);
  const before = published?.partition;
  if (before?.content_sha256 === content) return { kind: "unchanged", rowsTooLate: 0 };
  const quality = await runChecks(tools, startMs, path, signal);
  if (quality.some(({ ok, severity }) => !ok && severity === "error")) return { kind: "withheld", quality };

  const difference = published ? await compare(tools, path, published) : undefined;
  const isFinal = published !== undefined && tools.isFinal;
  if (isFinal && difference?.removed === 0) return { kind: "unchanged", rowsTooLate: 0 };
  const isKept = difference && difference.removed > 0 && tools.whyRemoved === "retention";
  if (isKept) return { kind: "unchanged", rowsTooLate: difference.added };
  const rows = await bench.count([path]);
  const windowTotals = await bench.totals(plan, [path]);
  const revision = (before?.revision ?? 0) + 1;
  const isAppended =
    plan.feed.kind === "append" && (published === undefined || difference?.removed === 0) && rows > 0;
  const adds =
    isAppended && published && difference ? await bench.writeLacking(plan, [path], difference.old) : path;
  const files = await upload(tools, startMs, revision, adds);
  const { window } = plan.feed;
  const partition = {
    [window]: windowName(window, startMs),
    from: new Date(startMs).toISOString(),
    until: new Date(startMs + windowLength(window)).toISOString(),
    revision,
    revises: before?.revision ?? null,
    reason: isFinal ? ("erasure" as const) : reasonOf(tools, published, difference),
    action: isAppended ? ("append" as const) : ("replace" as const),
    rows: files.reduce((sum, file) => sum + file.rows, 0),
    late_rows: published ? (difference?.added ?? null) : 0,
    removed_rows: published ? (difference?.removed ?? null) : 0,
    totals: adds === path ? windowTotals : await bench.totals(plan, [adds]),
    window_rows: rows,
    window_totals: windowTotals,
    content_sha256: content,
    scan,
  };
  return { kind: "made", partition, files, quality };
}

/** Runs SQL over the pinned inputs. @returns the path of the rows as Parquet */
async function evaluate(tools: MakerTools, sql: string, signal: AbortSignal): Promise<string> {
  const { query, inputs, timeoutMs, bench } = tools;
  const request = { sql, at: inputs, principal: EXTRACT_SYSTEM, format: "parquet", timeoutMs } as const;
  const answer = await query.run(request, signal);
  return bench.receive(answer.body);
}

async function runChecks(
  tools: MakerTools,
  startMs: number,
  path: string,
  signal: AbortSignal,
): Promise<readonly ManifestCheck[]> {
  const { plan, bench, query, inputs, timeoutMs } = tools;
  const partition = windowName(plan.feed.window, startMs);
  const found: ManifestCheck[] = [];
  for (const check of plan.feed.checks) {
    const { severity } = check;
    if ("sql" in check) {
      const sql = plan.check(check.sql, startMs);
      const request = { sql, at: inputs, principal: EXTRACT_SYSTEM, timeoutMs };
      const { rows } = await query.rows(request, signal);
      const actual = rows.length === 1 ? String(rows[0]![0]) : `${rows.length} rows`;
      found.push({ partition, check: check.name, ok: actual === "0", severity, expected: "0", actual });
    } else {
      const { isHeld, ...rest } = await bench.check(check, path);
      found.push({ partition, ok: isHeld, severity, ...rest });
    }
  }
  return found;
}

interface Difference {
  readonly added: number;
  readonly removed: number;
  /** The published rows, as files of this machine. */
  readonly old: readonly string[];
}

/** @returns undefined where the two cannot be compared: the columns are others */
async function compare(
  tools: MakerTools,
  path: string,
  published: PublishedWindow,
): Promise<Difference | undefined> {
  const { bench, store, logger, plan } = tools;
  const old: string[] = [];
  for (const { name } of published.files) {
    const local = await localCopy(bench, store.store, store.filePath(name));
    if (local === undefined) return undefined;
    old.push(local);
  }
  try {
    return { added: await bench.lacking([path], old), removed: await bench.lacking(old, [path]), old };
  } catch (error) {
    logger.warn("a window cannot be compared with its last revision", { feed: plan.feed.name, error });
    return undefined;
  }
}

async function localCopy(bench: Workbench, store: ObjectStore, path: string): Promise<string | undefined> {
  const there = await store.head(path);
  if (!there) return undefined;
  const copy = bench.freshPath();
  await copyObject(store, there, copy);
  return copy;
}

function reasonOf(
  tools: MakerTools,
  published: PublishedWindow | undefined,
  difference: Difference | undefined,
): Reason {
  if (!published) return "first";
  if (!published.partition.scan.startsWith(scanPrefix(tools.plan))) return "changed definition";
  if (difference?.removed === 0) return "late events";
  return tools.whyRemoved === "retention" ? "changed inputs" : tools.whyRemoved;
}

/** What a scan begins with, so that another definition never looks unchanged. */
export function scanPrefix(plan: FeedPlan): string {
  return `${plan.definition.slice(0, NAME_DIGITS)}:`;
}

async function upload(
  tools: MakerTools,
  startMs: number,
  revision: number,
  path: string,
): Promise<readonly Omit<ManifestFile, "id">[]> {
  const { bench, store, plan, fileBytes } = tools;
  const { window, name: feed } = plan.feed;
  const cut = await bench.cut(path, fileBytes);
  const files: Omit<ManifestFile, "id">[] = [];
  for (const [part, file] of cut.entries()) {
    const which = cut.length === 1 ? `r${revision}` : `r${revision}-${part}`;
    const base = `${which}-${file.sha256.slice(0, NAME_DIGITS)}.parquet`;
    const name = `${feed}/${window}=${windowName(window, startMs)}/${base}`;
    await putFile(store, store.filePath(name), file);
    files.push({ name, bytes: file.bytes, rows: file.rows, sha256: file.sha256 });
  }
  return files;
}

/**
 * A file that is there has the same bytes, by its name. It is written all the same: that makes it young, and young
 * files are never swept as leftovers of a killed process.
 */
async function putFile({ store }: FeedStore, path: string, file: CutFile): Promise<void> {
  await putLocalFile(store, path, file.path, file.bytes);
}
