/** /v1/extracts: feeds for the warehouse, their versions, manifests, scripts, contract and receipts. */
import type { Hono } from "hono";
import { z } from "zod";
import { systemRandomness } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import { dataContract } from "../../lake/extract/contract.ts";
import { EXTRACTS_FOLDER } from "../../lake/extract/feed-store.ts";
import { listFetches } from "../../lake/extract/fetches.ts";
import { readStatus } from "../../lake/extract/feed-status.ts";
import type { Manifest } from "../../lake/extract/manifest.ts";
import { listReceipts, storeReceipt } from "../../lake/extract/receipts.ts";
import { checkScriptOptions, ddlScript, loadScript, type ScriptOptions } from "../../lake/extract/scripts.ts";
import { targetOf } from "../../lake/extract/targets.ts";
import { isoOrNull, wholeNumber, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { expired, FeedShelf, versionIn, type OpenFeed } from "../extract-feeds.ts";

const VERSIONS_DEFAULT = 100;
const VERSIONS_MAX = 1_000;
const RECEIPTS_DEFAULT = 100;
/** Versions that somebody fetched. */
const FETCHED_DEFAULT = 20;

const totalsSchema = z.record(z.string().max(300), z.string().max(100));
export const receiptSchema = z.strictObject({
  rows: z.int().nonnegative(),
  totals: totalsSchema.optional(),
  /** By window, so that a difference can be found. */
  partitions: z
    .array(
      z.strictObject({
        partition: z.string().max(20),
        rows: z.int().nonnegative(),
        totals: totalsSchema.optional(),
      }),
    )
    .max(100_000)
    .optional(),
});

export function addExtractRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const shelf = new FeedShelf(ports);

  app.get("/v1/extracts", async (context) => {
    const feeds = shelf.readable(context.get("principal"));
    return context.json({ items: await Promise.all(feeds.map(summary)) });
  });
  app.get("/v1/extracts/:feed", async (context) => context.json(await summary(shelf.open(context))));

  app.get("/v1/extracts/:feed/versions", async (context) => {
    const { store } = shelf.open(context);
    const asked = context.req.query("since");
    const limit = wholeNumber(context, "limit", VERSIONS_DEFAULT, VERSIONS_MAX);
    const [state, kept, status, fulls] = await Promise.all([
      store.state(),
      store.versions(),
      readStatus(store),
      store.versions("_full"),
    ]);
    // Without a place to go on from, the newest ones: for who wants to see, not to load.
    const since = asked === "newest" ? (kept.at(-1 - limit) ?? (kept[0] ?? 1) - 1) : versionIn(asked ?? "0");
    if (since > state.version)
      throw await expired(store, `The newest version is ${state.version}; ${since} is from another lake.`);
    const first = kept[0] ?? state.version + 1;
    if (since < state.version && since + 1 < first)
      throw await expired(store, `Versions before ${first} are no longer kept.`);
    const wanted = kept.filter((version) => version > since).slice(0, limit);
    const manifests = await Promise.all(wanted.map((version) => store.manifest(version)));
    const items = manifests.flatMap((manifest) => (manifest ? [versionItem(manifest)] : []));
    const last = wanted.at(-1) ?? since;
    return context.json({
      items,
      newest: state.version,
      next_since: last < state.version ? last : null,
      full_version: fulls.at(-1) ?? null,
      complete_through: status?.complete_through ?? state.newest?.complete_through ?? null,
    });
  });

  app.get("/v1/extracts/:feed/versions/:version/manifest", async (context) => {
    const open = shelf.open(context);
    const manifest = await shelf.manifest(context, open);
    const links = context.req.query("links");
    const answer = await withAddresses(ports, manifest, open, links);
    const { version, full: isFull } = manifest;
    if (context.req.query("look") !== "true")
      await shelf.fetched(context, open, { version, isFull, what: links ? "links" : "manifest" });
    return context.json(answer);
  });

  app.get("/v1/extracts/:feed/versions/:version/ddl", async (context) => {
    const open = shelf.open(context);
    const { schema } = await shelf.manifest(context, open);
    return script(ddlScript(open.feed, schema, scriptOptions(context, open, ports)));
  });
  app.get("/v1/extracts/:feed/versions/:version/load", async (context) => {
    const open = shelf.open(context);
    const manifest = await shelf.manifest(context, open);
    return script(loadScript(open.feed, manifest, scriptOptions(context, open, ports)));
  });
  app.get("/v1/extracts/:feed/contract", async (context) => {
    const open = shelf.open(context);
    const columns = await shelf.columns(open, context.req.raw.signal);
    const contract = dataContract(open.feed, columns, ports.store!.location(EXTRACTS_FOLDER));
    return new Response(`${JSON.stringify(contract, null, 2)}\n`, {
      headers: { "content-type": "application/yaml" },
    });
  });

  addReceiptRoutes(app, ports, shelf);
}

function addReceiptRoutes(app: Hono<ApiEnv>, ports: ApiPorts, shelf: FeedShelf): void {
  app.post("/v1/extracts/:feed/versions/:version/receipts", async (context) => {
    const open = shelf.open(context);
    const manifest = await shelf.manifest(context, open);
    const checked = receiptSchema.safeParse(await context.req.json().catch(() => null));
    if (!checked.success) {
      const issue = checked.error.issues[0]!;
      const pointer = `/${issue.path.map(String).join("/")}`;
      throw new MuaraError("request.malformed", `${pointer}: ${issue.message}`, { details: { pointer } });
    }
    const services = { clock: ports.clock, randomness: ports.randomness ?? systemRandomness };
    const by = context.get("principal").id;
    const receipt = await storeReceipt(open.store, manifest, checked.data, by, services);
    if (receipt.equal) return context.json(receipt);
    const { feed, version, differences } = receipt;
    const where =
      differences[0]!.partition ?? "the version as a whole; send rows by partition to find out where";
    throw new MuaraError(
      "extract.receipt_differs",
      `Version ${version} was not loaded as published: ${where}.`,
      {
        details: { feed, version, differences },
      },
    );
  });

  app.get("/v1/extracts/:feed/receipts", async (context) => {
    const { store } = shelf.open(context);
    const limit = wholeNumber(context, "limit", RECEIPTS_DEFAULT, VERSIONS_MAX);
    return context.json({ items: await listReceipts(store, limit) });
  });

  app.get("/v1/extracts/:feed/fetches", async (context) => {
    const { store } = shelf.open(context);
    const limit = wholeNumber(context, "limit", FETCHED_DEFAULT, VERSIONS_MAX);
    const items = (await listFetches(store, limit)).map((one) => ({
      version: one.version,
      full: one.isFull,
      by: one.by,
      manifest: one.hasManifest,
      links: one.hasLinks,
      files: one.files.length,
      first_at: one.firstAt,
      last_at: one.lastAt,
    }));
    return context.json({ items });
  });

  app.post("/v1/extracts/:feed/make", async (context) => {
    const { feed } = shelf.open(context, "write");
    const worker = ports.extracts?.worker;
    if (!worker) throw new MuaraError("request.not_found", "This process makes no extracts.");
    const { completeThroughMs, published, waitsFor, withheld, ...rest } = await worker.make(
      feed.name,
      context.req.raw.signal,
    );
    return context.json({
      published,
      complete_through: isoOrNull(completeThroughMs),
      waits_for: waitsFor,
      withheld,
      rows_without_time: rest.rowsWithoutTime,
      rows_too_late: rest.rowsTooLate,
    });
  });
}

async function summary({ feed, store }: OpenFeed): Promise<Record<string, unknown>> {
  const [state, status, receipts] = await Promise.all([
    store.state(),
    readStatus(store),
    listReceipts(store, 1),
  ]);
  const { newest } = state;
  const [receipt] = receipts;
  return {
    feed: feed.name,
    description: feed.description,
    owner: feed.owner,
    kind: feed.kind,
    window: feed.window,
    version: state.version,
    created: newest?.created ?? null,
    complete_through: status?.complete_through ?? newest?.complete_through ?? null,
    windows: state.windows.size,
    rows: [...state.windows.values()].reduce((sum, { partition }) => sum + partition.window_rows, 0),
    state: status?.state ?? "waiting",
    problem: status?.problem ?? null,
    withheld: status?.withheld ?? [],
    rows_without_time: status?.rows_without_time ?? 0,
    rows_too_late: status?.rows_too_late ?? 0,
    retention_days: feed.retentionDays,
    contract: { version: feed.version, href: `/v1/extracts/${feed.name}/contract` },
    reconciliation: receipt
      ? {
          version: receipt.version,
          equal: receipt.equal,
          received_at: receipt.received_at,
          by: receipt.by,
          differences: receipt.differences,
        }
      : null,
  };
}

function versionItem(manifest: Manifest): Record<string, unknown> {
  const { feed, version, created, complete_through, retained_until, rows, partitions, files, quality } =
    manifest;
  return {
    version,
    created,
    complete_through,
    retained_until,
    rows,
    partitions: partitions.length,
    files: files.length,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    ok: quality.every(({ ok }) => ok),
    manifest: `/v1/extracts/${feed}/versions/${version}/manifest`,
  };
}

/** Each file's address: this server's, or S3's with a signature. Neither is part of the manifest's hash. */
async function withAddresses(
  ports: ApiPorts,
  manifest: Manifest,
  { store }: OpenFeed,
  links: string | undefined,
): Promise<Manifest> {
  if (links !== undefined && links !== "presigned")
    throw new MuaraError("request.malformed", "links is presigned, or left out.", {
      details: { parameter: "links" },
    });
  const folder = `/v1/extracts/${manifest.feed}/versions/${manifest.version}/files`;
  const suffix = manifest.full ? "?full=true" : "";
  if (links === undefined)
    return {
      ...manifest,
      files: manifest.files.map((file) => ({ ...file, url: `${folder}/${file.id}${suffix}` })),
    };
  const files = store.store;
  if (!files.presign) throw new MuaraError("request.malformed", "Only files on S3 have presigned addresses.");
  const forMs = ports.extracts?.linkMs ?? 3_600_000;
  const expires = isoOrNull(ports.clock.nowMs() + forMs)!;
  const signed = manifest.files.map(async (file) => {
    const url = await files.presign!(store.filePath(file.name), forMs);
    return { ...file, url, url_expires: expires };
  });
  return { ...manifest, files: await Promise.all(signed) };
}

function scriptOptions(context: ApiContext, { feed }: OpenFeed, ports: ApiPorts): ScriptOptions {
  const target = targetOf(context.req.query("target"));
  const location = ports.store!.location(EXTRACTS_FOLDER);
  const base = target === "snowflake" ? "@muara" : location;
  const options = {
    target,
    table: context.req.query("table") ?? feed.name,
    base: (context.req.query("base") ?? base).replace(/\/+$/, ""),
  };
  checkScriptOptions(options);
  return options;
}

function script(text: string): Response {
  return new Response(text, { headers: { "content-type": "application/sql; charset=utf-8" } });
}
