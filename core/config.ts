/**
 * The whole configuration as one schema. Values come from defaults, then `muara.config.ts`, then `MUARA_*`
 * environment variables, then flags. An unknown key is an error; every key says what it is and in which unit.
 */
import { z } from "zod";
import { MuaraError } from "./errors.ts";
import { PARTITIONS_MAX } from "./event-type.ts";
import { feedsSchema } from "./extract-feed.ts";
import { issuersSchema } from "./issuer.ts";
import { declaredPullsSchema } from "./pull.ts";
import { ROLE_NAME, roleSchema } from "./role.ts";
import { declaredSharesSchema } from "./share.ts";

const ms = (value: number) => z.int().nonnegative().default(value);
const bytes = (value: number) => z.int().positive().default(value);
const count = (value: number) => z.int().positive().default(value);

/** Of one principal; what is left out is as for everybody. */
const ratesSchema = z.strictObject({
  eventsPerSecond: z.int().positive().optional(),
  bytesPerSecond: z.int().positive().optional(),
  /** At a time. */
  streams: z.int().nonnegative().optional(),
});

const MIB = 1_048_576;
const HOUR_MS = 3_600_000;

export const configSchema = z.strictObject({
  data: z.string().min(1).default(".muara").describe("folder of the embedded log, lake and state"),
  log: z
    .string()
    .optional()
    .describe(
      "address of the log: file:FOLDER, s3://BUCKET/FOLDER?endpoint=URL&region=NAME, or " +
        "kafka://HOST:PORT,HOST:PORT/PREFIX; default file:DATA/log",
    ),
  lake: z
    .string()
    .optional()
    .describe(
      "address of the lake: file:FOLDER or s3://BUCKET/FOLDER?endpoint=URL&region=NAME; default file:DATA/lake",
    ),
  lakeWriters: z
    .enum(["many", "one"])
    .default("many")
    .describe(
      "one: a store whose conditional writes race is taken; you see to it that no second process writes",
    ),
  host: z.string().default("127.0.0.1").describe("address to listen on; a public one needs auth"),
  port: z.int().min(0).max(65_535).default(8080).describe("TCP port; 0 takes a free one"),
  outgoing: z
    .strictObject({
      allow: z
        .array(z.string().regex(/^(\[[0-9a-fA-F:.]+\]|[^\s:/?#@[\]]+)(:\d{1,5})?$/, "host or host:port"))
        .max(1_000)
        .default([])
        .describe(
          "hosts, as host or host:port, to which requests may go although they are not public or not on port 80 or 443",
        ),
    })
    .prefault({}),
  auth: z.enum(["token", "none"]).default("token").describe("none is refused on a public address"),
  issuers: issuersSchema
    .default({})
    .describe(
      "issuers of JWTs that are taken, by name: { corp: { issuer, audience, roles: { '*': ['reader'] } } }",
    ),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  limits: z
    .strictObject({
      eventBytes: bytes(999_000).describe("one event as published, bytes"),
      bodyBytes: bytes(8 * MIB).describe("a request body after decompression, bytes"),
      batchEvents: count(10_000).describe("events in one request"),
      depth: count(64).describe("nesting of objects and arrays in one event"),
      headerBytes: bytes(16_384).describe("all request headers together, bytes"),
      requestMs: ms(30_000).describe("until a request must have arrived completely, ms"),
      connections: count(1_000).describe("open connections"),
      inFlightBytes: bytes(64 * MIB).describe(
        "bodies in memory over all requests; beyond it producers get 429, bytes",
      ),
      queueMs: ms(2_000).describe("expected wait for the log beyond which producers get 429, ms"),
    })
    .prefault({}),
  eventTypes: z
    .strictObject({
      partitions: z
        .int()
        .min(1)
        .max(PARTITIONS_MAX)
        .default(PARTITIONS_MAX)
        .describe("partitions of one event type; administrators of the system may ask for 64"),
      retentionMinMs: ms(3 * HOUR_MS).describe(
        "least time that an event type may keep its events in the log, administrators of the system aside, ms",
      ),
      retentionMaxMs: ms(96 * HOUR_MS).describe("longest such time, administrators of the system aside, ms"),
    })
    .prefault({}),
  streams: z
    .strictObject({
      bufferBytes: bytes(8 * MIB).describe(
        "batches that are being made for one stream, over its partitions; beyond it they are cut, bytes",
      ),
      perPrincipal: count(100).describe("streams that one principal may have open on this process"),
      perPartition: count(5).describe("streams without a subscription of one principal on one partition"),
      partitions: count(100).describe("partitions of one subscription to event types by name"),
      nodeMs: ms(15_000).describe(
        "a process that shows no life for so long loses its streams of subscriptions to others, ms",
      ),
    })
    .prefault({}),
  quotas: z
    .strictObject({
      eventsPerSecond: z
        .int()
        .positive()
        .optional()
        .describe("events that one principal may publish per second, on one process; default: no limit"),
      bytesPerSecond: z
        .int()
        .positive()
        .optional()
        .describe("bytes of bodies, decompressed, that it may; default: no limit"),
      burstMs: z
        .int()
        .min(1)
        .max(3_600_000)
        .default(2_000)
        .describe("how much of unused rate is kept for a burst, ms"),
      roles: z
        .record(z.string().regex(ROLE_NAME), ratesSchema)
        .default({})
        .describe(
          "other limits by role, of several the largest: { role: { eventsPerSecond, bytesPerSecond, streams } }",
        ),
      principals: z
        .record(z.string().min(1), ratesSchema)
        .default({})
        .describe("other limits by principal, such as token:0123456789ab or service:shop"),
    })
    .prefault({}),
  journal: z
    .strictObject({
      pendingBytes: bytes(64 * MIB).describe(
        "appended but not yet durable; beyond it producers get 429, bytes",
      ),
      diskBytes: bytes(64 * 1_024 * MIB).describe(
        "disk budget of the log; beyond it producers get 507, bytes",
      ),
      segmentBytes: bytes(128 * MIB).describe("size at which a journal segment is sealed, bytes"),
      cacheBytes: bytes(64 * MIB).describe("newest records kept in memory for landing, bytes"),
      retainEveryMs: ms(60_000).describe("interval of log retention, ms"),
    })
    .prefault({}),
  land: z
    .strictObject({
      commitMs: ms(500).describe("a table commits at least this often while events arrive, ms"),
      commitsPerSecond: count(100).describe(
        "commits of all tables and projections together; beyond it tables commit less often",
      ),
      commitMsMax: ms(10_000).describe("beyond that budget a table still commits at least this often, ms"),
      commitBytes: bytes(64 * MIB).describe("payload bytes at which a table commits at once"),
      commitRows: count(25_000).describe(
        "events in one commit; bounds memory and how long the door waits for it",
      ),
      horizonHours: count(48).describe(
        "ingest times at most this far apart are compared for duplicates, hours",
      ),
      // the ids of one commit, and their journal, must fit beside the filters: about 500 bytes each
      dedupBytes: z
        .int()
        .min(16 * MIB)
        .default(512 * MIB)
        .describe(
          "memory for ids of all tables; beyond it ids are kept as filters, whose maybes the lake settles, bytes",
        ),
      generationHours: count(12).describe("ids are forgotten in steps of this, hours"),
      disorderMs: ms(5_000).describe(
        "how far a partition may deliver behind its newest event, event time ms",
      ),
      idleAfterMs: ms(60_000).describe(
        "silence at the log's end after which a partition stops holding the watermark, ms",
      ),
      skewMs: ms(HOUR_MS).describe("an event further ahead of its ingest time never moves the watermark, ms"),
      forced: z
        .string()
        .default("")
        .describe(
          "tables that this process lands whoever else owns them, their names with commas between; safe, and slower",
        ),
      projectMs: ms(1_000).describe("interval of the projections books, dead_letters and duplicates, ms"),
      imageIds: count(250_000).describe("new ids after which a table's state image is written"),
      imageCommits: count(1_000).describe("commits after which a table's state image is written"),
      holdDays: z
        .int()
        .nonnegative()
        .default(7)
        .describe("a table's log waits for a slow consumer this long beyond its retention, days"),
    })
    .prefault({}),
  upkeep: z
    .strictObject({
      run: z
        .enum(["on", "off"])
        .default("on")
        .describe("whether this process keeps the lake's tables in shape"),
      compactMs: ms(30_000).describe("how often a table is looked at for files to be put together, ms"),
      compactFiles: z.int().min(2).default(16).describe("small files of a day that are put together at once"),
      compactTargetBytes: bytes(128 * MIB).describe("a file of this size is not rewritten any more, bytes"),
      compactFileBytes: bytes(256 * MIB).describe("files put together to one, bytes at most"),
      compactRunBytes: bytes(1_024 * MIB).describe("files of a table rewritten in one turn, bytes at most"),
      compactRunRows: count(50_000_000).describe("rows of a table rewritten in one turn, at most"),
      memoryBytes: bytes(1_024 * MIB).describe(
        "resident memory of the process that rewrites files; beyond it it is killed, bytes",
      ),
      tempBytes: bytes(8 * 1_024 * MIB).describe("disk that rewriting files may use for itself, bytes"),
      sweepAfterHours: z
        .int()
        .min(24)
        .default(24)
        .describe(
          "a file that no version of its table names is deleted at this age; no upload takes longer, hours",
        ),
      rewriteMs: ms(600_000).describe("a rewrite of files is killed after this, ms"),
      icebergMs: ms(60_000).describe(
        "how often tables with the annotation muara/iceberg are exported anew where they have changed, ms",
      ),
    })
    .prefault({}),
  upload: z
    .strictObject({
      // S3 takes no smaller part, but for the last
      partBytes: z
        .int()
        .min(5 * MIB)
        .max(512 * MIB)
        .default(8 * MIB)
        .describe("files beyond two parts go to S3 in parts of this size, bytes"),
      parallelParts: z
        .int()
        .min(1)
        .max(64)
        .default(2)
        .describe("parts of a file that travel at once; so many are in memory"),
    })
    .prefault({}),
  query: z
    .strictObject({
      timeoutMs: ms(30_000).describe("a query is killed after this, ms"),
      memoryBytes: bytes(1_024 * MIB).describe(
        "resident memory of a query process; beyond it it is killed, bytes",
      ),
      rows: count(10_000).describe("rows in an answer unless the request asks for fewer or more"),
      rowsMax: count(1_000_000).describe("rows that a request may ask for"),
      sqlBytes: bytes(65_536).describe("length of the SQL text, bytes"),
      concurrency: count(4).describe("queries at a time"),
      warm: z.int().min(0).max(8).default(1).describe("query processes kept ready"),
      answerBytes: bytes(512 * MIB).describe("length of an answer; beyond it it is cut off, bytes"),
      cacheBytes: bytes(4 * 1_024 * MIB).describe(
        "copies of a lake on S3 in DATA/cache; a query that reads more is refused, bytes",
      ),
      namespace: z
        .enum(["auto", "required", "off"])
        .default("auto")
        .describe(
          "query processes in namespaces of their own: where the machine allows it, or no SQL without, or never",
        ),
    })
    .prefault({}),
  pulls: declaredPullsSchema
    .default({})
    .describe(
      "subscriptions of other Nakadis, by name: `{shop: {url, token: {file: PATH}, owningApplication, eventTypes}}`",
    ),
  roles: z
    .record(z.string().regex(ROLE_NAME, "a-z, 0-9, - and _, 63 at most"), roleSchema)
    .default({})
    .describe(
      "sets of grants by name, for tokens: { name: { description, grants: [{ action, kind, name, columns, rows }] } }",
    ),
  views: z
    .record(z.string(), z.strictObject({ sql: z.string().min(1), description: z.string().default("") }))
    .default({})
    .describe(
      "SELECTs by name, read like tables with the rights of who asks: { name: { sql, description } }",
    ),
  deliver: z
    .strictObject({
      everyMs: ms(500).describe("interval at which a delivery looks at its table, ms"),
      saveMs: ms(500).describe("how far a delivery is is written at most this often, ms"),
      pauseMsMax: ms(300_000).describe(
        "longest pause between two attempts at a receiver that takes nothing, ms",
      ),
      standbyMs: ms(10_000).describe(
        "a process that delivers and has not written how far for so long is replaced by another, ms",
      ),
      refusedMax: count(100).describe(
        "rows refused in a row; beyond it nothing becomes a dead letter until one is taken",
      ),
      deliveries: count(100).describe("deliveries that may be declared"),
      kafka: z
        .record(z.string(), z.string().startsWith("kafka://"))
        .default({})
        .describe("clusters that deliveries may go to, by name: { name: kafka://HOST:PORT,… }"),
    })
    .prefault({}),
  extract: z
    .strictObject({
      everyMs: ms(60_000).describe("interval at which feeds are looked at, ms"),
      fileBytes: bytes(128 * MIB).describe("size beyond which a window is cut into several files, bytes"),
      windowBytes: bytes(8 * 1_024 * MIB).describe("one window as Parquet; a larger one is refused, bytes"),
      memoryBytes: bytes(1_024 * MIB).describe("memory for making one window, bytes"),
      timeoutMs: ms(600_000).describe("making one window is given up after this, ms"),
      linkMs: z
        .int()
        .min(1_000)
        .max(7 * 24 * HOUR_MS)
        .default(HOUR_MS)
        .describe("how long a presigned address of a file is good, ms"),
    })
    .prefault({}),
  extracts: feedsSchema.default({}).describe("feeds for the warehouse, by name; see docs/EXTRACTS.md"),
  share: z
    .strictObject({
      endpoint: z
        .url({ protocol: /^https?$/ })
        .optional()
        .describe(
          "address of this Muara in profile files and in addresses of shared files; default: as the request says",
        ),
      delivery: z
        .enum(["presigned", "proxied"])
        .default("presigned")
        .describe(
          "files of a lake on S3: by addresses that S3 itself serves, or through Muara; elsewhere always through Muara",
        ),
      urlMs: z
        .int()
        .min(1_000)
        .max(604_800_000)
        .default(900_000)
        .describe("how long the address of a shared file is good, ms"),
      filesMax: count(10_000).describe("files in one answer; a table or a range with more is refused"),
      versionsMax: count(10_000).describe("versions in one request for changes; more are refused"),
      pageItems: count(500).describe("shares, schemas or tables in one page of a list"),
      bodyBytes: bytes(MIB).describe("body of a request to read a shared table, bytes"),
      partWaitMs: ms(20_000).describe(
        "how long a request waits for files of a part of a table to be made; then it is told to come back, ms",
      ),
      partMs: ms(600_000).describe("making such files is killed after this, ms"),
      partsAtOnce: count(1).describe("parts of tables for which files are made at a time"),
      partReadBytes: bytes(4 * 1_024 * MIB).describe(
        "data files that are read for one answer of a part of a table; more is refused, bytes",
      ),
      partsBytes: bytes(4 * 1_024 * MIB).describe("files of parts of one table that are kept, bytes at most"),
      partsHours: z.int().min(1).default(6).describe("files of parts are deleted at this age, hours"),
    })
    .prefault({}),
  shares: declaredSharesSchema
    .default({})
    .describe("shares by name: `{sales: {tables: {'order.created': {as: 'sales.orders', history: true}}}}`"),
});

export type Config = z.infer<typeof configSchema>;
/** What a configuration file declares: any subset of the keys. */
export type ConfigInput = z.input<typeof configSchema>;

/** Types the object of a `muara.config.ts`. */
export function defineConfig(config: ConfigInput): ConfigInput {
  return config;
}

export type ConfigOrigin = "default" | "file" | "environment" | "flag";
export interface ConfigEntry {
  /** Path of the key, e.g. ["land", "commitMs"]. */
  readonly path: readonly string[];
  readonly value: unknown;
  readonly origin: ConfigOrigin;
  readonly variable: string;
  readonly description: string;
}

export interface ConfigSources {
  readonly file?: ConfigInput | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly flags?: ConfigInput | undefined;
}

/** Environment variables that belong to the command line, not to the configuration. */
const COMMAND_VARIABLES = new Set(["MUARA_URL", "MUARA_TOKEN", "MUARA_CONFIG"]);

/** Merges the sources and validates. @throws config.invalid naming the key, its source and the reason */
export function resolveConfig(sources: ConfigSources): { config: Config; entries: readonly ConfigEntry[] } {
  const keys = configKeys();
  const merged: Record<string, unknown> = {};
  const origins = new Map<string, ConfigOrigin>();
  const layers: [ConfigOrigin, unknown][] = [
    ["file", sources.file],
    ["environment", fromEnvironment(sources.environment, keys)],
    ["flag", sources.flags],
  ];
  for (const [origin, layer] of layers) mergeLayer(merged, layer, origin, origins, []);
  const parsed = configSchema.safeParse(merged);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    const path = issue.path.map(String);
    const origin = origins.get(path.join(".")) ?? "file";
    throw new MuaraError(
      "config.invalid",
      `${path.join(".") || "configuration"} (${origin}): ${issue.message}`,
      {
        details: { key: path.join("."), origin, variable: variableOf(path) },
      },
    );
  }
  const entries = keys.map(({ path, description }) => ({
    path,
    description,
    value: path.reduce<unknown>((node, key) => (node as Record<string, unknown>)[key], parsed.data),
    origin: originOf(origins, path.join(".")),
    variable: variableOf(path),
  }));
  return { config: parsed.data, entries };
}

/** A key that holds an object has its origin from the first key in it. */
function originOf(origins: ReadonlyMap<string, ConfigOrigin>, key: string): ConfigOrigin {
  const inner = [...origins].find(([path]) => path.startsWith(`${key}.`))?.[1];
  return origins.get(key) ?? inner ?? "default";
}

/** `land.commitMs` ↔ `MUARA_LAND_COMMIT_MS`. */
export function variableOf(path: readonly string[]): string {
  return `MUARA_${path.map((key) => key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()).join("_")}`;
}

function fromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  keys: readonly { path: readonly string[] }[],
): Record<string, unknown> {
  const layer: Record<string, unknown> = {};
  const known = new Map(keys.map(({ path }) => [variableOf(path), path]));
  for (const [variable, text] of Object.entries(environment)) {
    if (!variable.startsWith("MUARA_") || text === undefined || COMMAND_VARIABLES.has(variable)) continue;
    const path = known.get(variable);
    if (!path)
      throw new MuaraError("config.invalid", `${variable} is not a configuration key`, {
        details: { variable },
      });
    const node = path.length === 2 ? ((layer[path[0]!] ??= {}) as Record<string, unknown>) : layer;
    node[path.at(-1)!] = /^-?\d+$/.test(text) ? Number(text) : text;
  }
  return layer;
}

function mergeLayer(
  target: Record<string, unknown>,
  layer: unknown,
  origin: ConfigOrigin,
  origins: Map<string, ConfigOrigin>,
  path: readonly string[],
): void {
  for (const [key, value] of Object.entries(layer ?? {})) {
    if (value === undefined) continue;
    const here = [...path, key];
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const child = (target[key] ??= {}) as Record<string, unknown>;
      mergeLayer(child, value, origin, origins, here);
    } else {
      target[key] = value;
      origins.set(here.join("."), origin);
    }
  }
}

/** Every key of the schema with its description, in declaration order. */
function configKeys(): readonly { path: readonly string[]; description: string }[] {
  interface Node {
    readonly description?: string;
    readonly properties?: Readonly<Record<string, Node>>;
  }
  const keys: { path: readonly string[]; description: string }[] = [];
  const visit = (node: Node, path: readonly string[]): void => {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      if (child.properties) visit(child, [...path, key]);
      else keys.push({ path: [...path, key], description: child.description ?? "" });
    }
  };
  visit(z.toJSONSchema(configSchema, { io: "input" }) as Node, []);
  return keys;
}
