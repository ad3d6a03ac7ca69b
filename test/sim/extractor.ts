/**
 * Who makes extracts: the product's worker with its windows, sequence, manifests and retention, over a light engine
 * that knows the texts which lake/extract/feed-plan.ts writes. Two makers of one feed may be at work.
 */
import assert from "node:assert/strict";
import type { Feed } from "../../core/extract-feed.ts";
import { MuaraError } from "../../core/errors.ts";
import { silentLogger } from "../../core/logger.ts";
import type { TableLog, TableSnapshot } from "../../core/ports/table-log.ts";
import type { Catalog } from "../../lake/catalog.ts";
import { createExtractWorker } from "../../lake/extract/extract-worker.ts";
import { describeSql } from "../../lake/extract/feed-plan.ts";
import { FeedStore } from "../../lake/extract/feed-store.ts";
import { keepFeed } from "../../lake/extract/keep-feed.ts";
import type { PassReport } from "../../lake/extract/make-feed.ts";
import type { QueryAnswer, QueryRequest, QueryRows, QueryService } from "../../lake/query/service.ts";
import { storePathOf } from "../../lake/table/add-file.ts";
import { below } from "./events.ts";
import { FEED_COLUMNS, FEED_TABLE, windowOf } from "./feed.ts";
import { forgive, Helper } from "./helpers.ts";
import { canonical } from "./light-bench.ts";
import { lightFile } from "./light-format.ts";
import { rowsOf } from "./light-rewriter.ts";
import type { World } from "./world.ts";

const TYPES = ["TIMESTAMP WITH TIME ZONE", "BIGINT", "BIGINT", "VARCHAR", "BIGINT"] as const;
const LIMITS = { fileBytes: 1_000, memoryBytes: 1, timeoutMs: 1_000, everyMs: 1_000 };

export class Extractor extends Helper {
  async work(isOver: () => boolean): Promise<void> {
    const { world } = this;
    const { random } = world;
    const worker = makerOf(this, world);
    const store = new FeedStore(
      world.planted?.feed?.(this.store, world) ?? this.store,
      world.feed.name,
      this.clock,
    );
    while (!isOver()) {
      await this.clock.sleep(200 + below(random, 3_000));
      const { signal } = new AbortController();
      try {
        if (isOver()) return;
        const { published } = await worker.make(world.feed.name, signal);
        if (published > 0) world.faults.note("extract published");
        if (random.fraction() < 0.2) {
          const { versions, files } = await keepFeed(store, this.clock, signal);
          for (let i = 0; i < versions; i++) world.faults.note("extract expired");
          for (let i = 0; i < files; i++) world.faults.note("file of an extract swept");
        }
      } catch (error) {
        forgive(world, error);
      }
    }
  }
}

/** Until there is nothing left to make. */
export async function makeAll(helper: Helper, world: World): Promise<PassReport> {
  const worker = makerOf(helper, world);
  for (;;) {
    const report = await worker.make(world.feed.name, new AbortController().signal);
    if (report.published === 0) return report;
  }
}

function makerOf(helper: Helper, world: World): ReturnType<typeof createExtractWorker> {
  const catalog = catalogOf((name) => helper.openTable(name));
  const query = new LightQuery(helper, catalog, world.feed) as unknown as QueryService;
  const { clock } = helper;
  const store = world.planted?.feed?.(helper.store, world) ?? helper.store;
  const ports = { catalog, query, clock, logger: silentLogger, store };
  return createExtractWorker([world.feed], new Map([[world.feed.name, [FEED_TABLE]]]), ports, {
    ...LIMITS,
    windowsPerVersion: 2,
  });
}

/** As much of a catalog as there are readers of: tables by name, snapshots that only grow. */
export function catalogOf(openTable: (name: string) => TableLog): Catalog {
  const open = new Map<string, { readonly log: TableLog; snapshot: TableSnapshot | undefined }>();
  const opened = (name: string): { readonly log: TableLog; snapshot: TableSnapshot | undefined } => {
    const known = open.get(name) ?? { log: openTable(name), snapshot: undefined };
    open.set(name, known);
    return known;
  };
  const catalog: Partial<Catalog> = {
    list: async () => [], // asked for by who is granted tables of many event types: nobody is
    find: async (name) => ({ name, kind: "event_type", alias: undefined, eventType: undefined }),
    snapshot: async (name) => {
      const known = opened(name);
      known.snapshot = await known.log.snapshot(known.snapshot ? { from: known.snapshot } : {});
      return known.snapshot;
    },
    schema: (_table, { metadata }) => metadata!,
    log: (name) => opened(name).log,
  };
  return catalog as Catalog;
}

/** The queries of one feed. */
class LightQuery {
  readonly #helper: Helper;
  readonly #catalog: Catalog;
  readonly #feed: Feed;

  constructor(helper: Helper, catalog: Catalog, feed: Feed) {
    this.#helper = helper;
    this.#catalog = catalog;
    this.#feed = feed;
  }

  async rows({ sql, at }: Omit<QueryRequest, "format">): Promise<QueryRows> {
    const nothing = { versions: {}, completeThroughMs: null, isTruncated: false };
    const columns = FEED_COLUMNS.map((name, i) => ({ name, type: TYPES[i]! }));
    if (sql === describeSql(this.#feed)) return { ...nothing, columns, rows: [] };
    assert(sql.startsWith("SELECT start_ms, count(*)"), `the simulator does not know this SQL: ${sql}`);
    const windows = Map.groupBy(await this.#read(at), (row) => Number(windowOf(row[0] as bigint) / 1_000n));
    const rows = [...windows].map(([start, some]) => {
      const hashes = some.map((row) => hash(row.map(String).join("|")));
      const xor = hashes.reduce((a, b) => (a ^ b) >>> 0, 0);
      return [start, some.length, xor, hashes.reduce((a, b) => a + b, 0)];
    });
    return { ...nothing, columns: [], rows };
  }

  async run({ sql, at }: QueryRequest): Promise<QueryAnswer> {
    const [, from, to] = />= TIMESTAMPTZ '([^']+)' AND .* < TIMESTAMPTZ '([^']+)'/.exec(sql) ?? [];
    assert(from && to, `the simulator does not know this SQL: ${sql}`);
    const [fromUs, toUs] = [from, to].map((text) =>
      BigInt(Date.parse(text.replace(" ", "T").replace("+00", "Z"))),
    );
    const rows = (await this.#read(at)).filter((row) => {
      const us = row[0] as bigint;
      return us >= fromUs! * 1_000n && us < toUs! * 1_000n;
    });
    rows.sort((a, b) => compare(a, b));
    const bytes = canonical(FEED_COLUMNS, rows);
    const body = (async function* () {
      yield bytes;
    })();
    return {
      columns: [],
      versions: {},
      completeThroughMs: null,
      body,
      end: { rows: rows.length, isTruncated: false },
    };
  }

  /** Rows of the pinned version. @throws sql.failed where a file of it is gone */
  async #read(at: QueryRequest["at"]): Promise<(readonly unknown[])[]> {
    const version = (at as Readonly<Record<string, number>>)[FEED_TABLE]!;
    const { files } = await this.#catalog.log(FEED_TABLE).snapshot({ version });
    const rows: (readonly unknown[])[] = [];
    for (const path of files.keys()) {
      const bytes = await this.#helper.store.get(storePathOf(FEED_TABLE, path));
      if (!bytes) throw new MuaraError("sql.failed", `${path} is gone`);
      rows.push(...rowsOf(lightFile(bytes), FEED_COLUMNS));
    }
    return rows;
  }
}

function compare(a: readonly unknown[], b: readonly unknown[]): number {
  for (const [i, value] of a.entries()) {
    const other = b[i];
    if (value !== other) return (value as bigint) < (other as bigint) ? -1 : 1;
  }
  return 0;
}

function hash(text: string): number {
  let state = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return state;
}
