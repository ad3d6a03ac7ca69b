/**
 * `/delta-sharing/…`: the Delta Sharing protocol (PROTOCOL.md of delta-io/delta-sharing), so that its clients read
 * shared tables with a profile file and nothing else of ours. Errors have the protocol's form; statuses of 500 and
 * above and 429 make its clients try again, others do not.
 */
import type { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { readRight, type Principal } from "../../core/authorize.ts";
import { MuaraError } from "../../core/errors.ts";
import { RESERVED_TABLES } from "../../core/event-type.ts";
import { ANYBODY, authenticateRequest } from "../../core/http.ts";
import { mayReadWhole } from "../../lake/query/part.ts";
import { changesOf } from "../../lake/share/changes.ts";
import { FILES_ROUTE, verifyAddress } from "../../lake/share/file-address.ts";
import { linesText, negotiateFormat, type ShareFormat } from "../../lake/share/format.ts";
import { malformed, pageOf, wholeNumber, type Page } from "../../lake/share/page.ts";
import { tablesFor } from "../../lake/share/directory.ts";
import { isAnyPartFile, isPartFile } from "../../lake/share/part-store.ts";
import {
  demandHistory,
  type ShareAnswer,
  type ShareReader,
  type ShareReading,
} from "../../lake/share/reader.ts";
import { signingKey } from "../../lake/share/signing-key.ts";
import { isFileOf, type SharedTable } from "../../core/share.ts";
import type { ApiContext, ApiEnv, ApiPorts } from "../context.ts";
import { rangedFile } from "../ranged-file.ts";
import type { Sharing } from "../sharing.ts";

export const SHARING_PREFIX = "/delta-sharing";
const TABLE = `${SHARING_PREFIX}/shares/:share/schemas/:schema/tables/:table`;
const CAPABILITIES = "delta-sharing-capabilities";
const VERSION = "delta-table-version";
const HINTS_MAX = 256;
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

/** Unknown fields are left alone: newer clients send more. */
const querySchema = z.object({
  predicateHints: z.array(z.string()).max(HINTS_MAX).nullish(),
  jsonPredicateHints: z.string().nullish(),
  limitHint: z.int().nonnegative().nullish(),
  version: z.int().nonnegative().nullish(),
  timestamp: z.string().nullish(),
  startingVersion: z.int().nonnegative().nullish(),
  endingVersion: z.int().nonnegative().nullish(),
});

export function addSharingRoutes(app: Hono<ApiEnv>, ports: ApiPorts, sharing: Sharing): void {
  addFileRoute(app, ports, sharing);
  app.use(`${SHARING_PREFIX}/*`, async (context, next) => {
    // Another process may have revoked the token.
    await ports.registry.refresh();
    context.set("principal", await authenticateRequest(context.req.raw, ports.authenticator));
    await next();
    context.header("cache-control", "no-store");
  });
  addListRoutes(app, sharing);
  addTableRoutes(app, sharing);
}

function addListRoutes(app: Hono<ApiEnv>, { directory, options }: Sharing): void {
  const page = <Item>(
    context: ApiContext,
    items: readonly Item[],
    key: (item: Item) => string,
  ): Page<Item> => {
    const [maxResults, pageToken] = [context.req.query("maxResults"), context.req.query("pageToken")];
    return pageOf(items, key, { maxResults, pageToken }, options.pageItems);
  };
  const share = (context: ApiContext) =>
    directory.find(context.get("principal"), context.req.param("share")!);

  app.get(`${SHARING_PREFIX}/shares`, async (context) => {
    const shares = (await directory.list(context.get("principal"))).map(({ name }) => ({ name }));
    return context.json(page(context, shares, ({ name }) => name.toLowerCase()));
  });
  app.get(`${SHARING_PREFIX}/shares/:share`, async (context) => {
    return context.json({ share: { name: (await share(context)).name } });
  });
  app.get(`${SHARING_PREFIX}/shares/:share/schemas`, async (context) => {
    const found = await share(context);
    const { name } = found;
    const tables = tablesFor(context.get("principal"), found);
    const schemas = new Map(
      tables.map(({ schema }) => [schema.toLowerCase(), { name: schema, share: name }]),
    );
    return context.json(page(context, [...schemas.values()], (schema) => schema.name.toLowerCase()));
  });
  app.get(`${SHARING_PREFIX}/shares/:share/schemas/:schema/tables`, async (context) => {
    const schema = context.req.param("schema").toLowerCase();
    const all = tablesFor(context.get("principal"), await share(context));
    const tables = all.filter((table) => table.schema.toLowerCase() === schema);
    if (tables.length === 0) throw new MuaraError("share.not_found", "The share has no such schema.");
    const { items, ...more } = page(context, tables, keyOf);
    return context.json({ items: items.map(shown), ...more });
  });
  app.get(`${SHARING_PREFIX}/shares/:share/all-tables`, async (context) => {
    const tables = tablesFor(context.get("principal"), await share(context));
    const { items, ...more } = page(context, tables, keyOf);
    return context.json({ items: items.map(shown), ...more });
  });
}

function keyOf({ schema, name }: SharedTable): string {
  return `${schema}.${name}`.toLowerCase();
}

function shown({ name, schema, share }: SharedTable): Readonly<Record<string, string>> {
  return { name, schema, share };
}

function addTableRoutes(app: Hono<ApiEnv>, sharing: Sharing): void {
  const { directory, reader, options } = sharing;
  const reading = async (context: ApiContext): Promise<ShareReading> => {
    const principal = context.get("principal");
    const { share, schema, table } = context.req.param() as Record<"share" | "schema" | "table", string>;
    const shared = await directory.table(principal, share, schema, table);
    const format = negotiateFormat(context.req.header(CAPABILITIES));
    return { shared, principal, format, origin: originOf(context, sharing) };
  };
  const version = async (context: ApiContext): Promise<Response> => {
    const asked = await reading(context);
    const since = context.req.query("startingTimestamp");
    const found =
      since === undefined
        ? (await reader.open(asked)).snapshot.version
        : await reader.versionFrom(asked, timeOf("startingTimestamp", since));
    return context.body(null, 200, { [VERSION]: String(found) });
  };
  app.get(`${TABLE}/version`, version);
  // The protocol's older way, which asks with HEAD.
  app.get(TABLE, version);

  app.get(`${TABLE}/metadata`, async (context) => {
    const asked = await reading(context);
    return answer(context, asked.format, await reader.metadata(asked));
  });

  const { bodyBytes } = options;
  const onError = (): never => {
    throw new MuaraError("request.too_large", `The body exceeds ${bodyBytes} bytes (share.bodyBytes).`);
  };
  app.post(`${TABLE}/query`, bodyLimit({ maxSize: bodyBytes, onError }), async (context) => {
    const asked = await reading(context);
    const { startingVersion, endingVersion, timestamp, ...rest } = readQuery(await context.req.text());
    if (startingVersion !== undefined) {
      const range = { startingVersion, endingVersion, hasMetadata: true };
      return answer(context, asked.format, await changesOf(reader, asked, range));
    }
    const timestampMs = timestamp === undefined ? undefined : timeOf("timestamp", timestamp);
    return answer(context, asked.format, await reader.query(asked, { ...rest, timestampMs }));
  });

  app.get(`${TABLE}/changes`, async (context) => {
    const asked = await reading(context);
    demandHistory(asked.shared);
    const number = (name: string): number | undefined => {
      const text = context.req.query(name);
      return text === undefined ? undefined : wholeNumber(name, text);
    };
    const [since, until] = [context.req.query("startingTimestamp"), context.req.query("endingTimestamp")];
    const startingVersion =
      number("startingVersion") ??
      (since === undefined ? undefined : await reader.versionFrom(asked, timeOf("startingTimestamp", since)));
    if (startingVersion === undefined)
      throw malformed("startingVersion", "Give startingVersion or startingTimestamp.");
    const endingVersion =
      number("endingVersion") ??
      (until === undefined ? undefined : await reader.versionUntil(asked, timeOf("endingTimestamp", until)));
    const hasMetadata = /^true$/i.test(context.req.query("includeHistoricalMetadata") ?? "");
    const range = { startingVersion, endingVersion, hasMetadata };
    return answer(context, asked.format, await changesOf(reader, asked, range));
  });
}

/** Files for whoever has their address. Each look asks anew whether token, share and table are still there. */
function addFileRoute(app: Hono<ApiEnv>, ports: ApiPorts, { directory, reader }: Sharing): void {
  app.get(`${FILES_ROUTE}/:share/:schema/:table/:version/:file`, async (context) => {
    await ports.registry.refresh();
    const key = await signingKey(ports.registry);
    const untrusted = context.req.param();
    const query = (name: string): string | undefined => context.req.query(name);
    const address = verifyAddress(key, untrusted, query, ports.clock.nowMs());
    const principal = ports.authenticator ? ports.authenticator.recall(address.principal) : ANYBODY;
    const shared = await directory.table(principal, address.share, address.schema, address.table);
    // Not the catalog: readers ask for many ranges of a file, and each look at a lake on S3 takes its time.
    if (!isFileOf(shared, address.path) || !(await isStillVisible(reader, shared, principal, address.path)))
      throw new MuaraError("share.file_refused", "The address is of a table that is no longer shared.");
    return rangedFile(reader.ports.store, address.path, {
      method: context.req.method,
      range: context.req.header("range"),
      contentType: "application/vnd.apache.parquet",
    });
  });
}

/**
 * Whether a file is of what the principal sees now: data files where that is the whole table, files of its own part
 * where it is not. Somebody's part may have become another since the address was given out.
 */
async function isStillVisible(
  { parts }: ShareReader,
  shared: SharedTable,
  principal: Principal,
  path: string,
): Promise<boolean> {
  const table = path.slice(0, path.indexOf("/"));
  const right = shared.isGranted ? readRight(principal, table) : { scopes: [shared.scope ?? {}] };
  if (!right) return false;
  if (isPartFile(path, table, await parts.rightName(table, right))) return true;
  // Of ledger tables whoever does not read every table sees a part only (lake/query/part.ts).
  const name = RESERVED_TABLES.includes(table) ? "*" : table;
  const isWhole = shared.isGranted ? mayReadWhole(principal, name) : shared.scope === undefined;
  return isWhole && !isAnyPartFile(path);
}

function answer(context: ApiContext, format: ShareFormat, { version, lines }: ShareAnswer): Response {
  return context.body(linesText(lines), 200, {
    "content-type": "application/x-ndjson; charset=utf-8",
    [VERSION]: String(version),
    [CAPABILITIES]: `responseformat=${format}`,
  });
}

function originOf(context: ApiContext, { options }: Sharing): string {
  return (options.endpoint ?? new URL(context.req.url).origin).replace(/\/+$/, "");
}

type Defined<Fields> = { readonly [name in keyof Fields]?: NonNullable<Fields[name]> | undefined };

/** null counts as not given. @throws request.malformed */
function readQuery(text: string): Defined<z.infer<typeof querySchema>> {
  let parsed: unknown = {};
  try {
    if (text.trim() !== "") parsed = JSON.parse(text);
  } catch (cause) {
    throw new MuaraError("request.malformed", "The body is not JSON.", { cause });
  }
  const checked = querySchema.safeParse(parsed);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    throw malformed(
      issue.path.map(String).join("."),
      `${issue.path.map(String).join(".")}: ${issue.message}`,
    );
  }
  const given = Object.entries(checked.data).filter(([, value]) => value !== null);
  return Object.fromEntries(given) as Defined<z.infer<typeof querySchema>>;
}

/** ms since 1970 UTC. @throws request.malformed */
function timeOf(parameter: string, text: string): number {
  const timeMs = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(timeMs)) return timeMs;
  throw malformed(parameter, `${parameter} is a time such as 2026-01-31T12:00:00Z.`);
}
