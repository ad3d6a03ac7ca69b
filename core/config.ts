/**
 * The whole configuration as one schema. Values come from defaults, then `muara.config.ts`, then `MUARA_*`
 * environment variables, then flags. An unknown key is an error; every key says what it is and in which unit.
 */
import { z } from "zod";
import { MuaraError } from "./errors.ts";
import { eventTypesSchema, journalSchema, limitsSchema, quotasSchema, streamsSchema } from "./config/door.ts";
import { alertsSchema } from "./config/alerting.ts";
import { captureSchema, postgresSchema } from "./config/databases.ts";
import { currentSchema, landSchema, uploadSchema, upkeepSchema } from "./config/landing.ts";
import {
  deliverSchema,
  extractSchema,
  jobsSchema,
  liveSchema,
  querySchema,
  shareSchema,
} from "./config/reading.ts";
import { lineageSchema, stopSchema, tracesSchema } from "./config/telemetry.ts";
import { deltaLoadsSchema } from "./delta-load.ts";
import { feedsSchema } from "./extract-feed.ts";
import { issuersSchema } from "./issuer.ts";
import { declaredPullsSchema } from "./pull.ts";
import { ROLE_NAME, roleSchema } from "./role.ts";
import { declaredSharesSchema } from "./share.ts";

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
  audit: z
    .enum(["on", "off"])
    .default("off")
    .describe("whether changes of declarations and refused requests are events of muara.audit"),
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
  traces: tracesSchema,
  lineage: lineageSchema,
  stop: stopSchema,
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  logFormat: z
    .enum(["json", "text"])
    .optional()
    .describe(
      "of lines on stderr; json: also of what the start says to people; default: json, and words for people",
    ),
  limits: limitsSchema,
  eventTypes: eventTypesSchema,
  streams: streamsSchema,
  quotas: quotasSchema,
  journal: journalSchema,
  land: landSchema,
  upkeep: upkeepSchema,
  current: currentSchema,
  upload: uploadSchema,
  query: querySchema,
  live: liveSchema,
  pulls: declaredPullsSchema
    .default({})
    .describe(
      "subscriptions of other Nakadis, by name: `{shop: {url, token: {file: PATH}, owningApplication, eventTypes}}`",
    ),
  postgres: postgresSchema.describe(
    "databases that captures read and deliveries write, by name: " +
      "`{shop1: {host, port, database, user, password: {file: PATH}, tls}}`",
  ),
  capture: captureSchema,
  deltaLoads: deltaLoadsSchema
    .default({})
    .describe(
      "tables that are read by a column of modification times, by name: `{old: {database, tables, column}}`",
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
  deliver: deliverSchema,
  jobs: jobsSchema,
  alerts: alertsSchema,
  extract: extractSchema,
  extracts: feedsSchema.default({}).describe("feeds for the warehouse, by name; see docs/EXTRACTS.md"),
  share: shareSchema,
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

const RESOLVED = new WeakMap<Config, readonly ConfigEntry[]>();

/** Of a configuration that `resolveConfig` has returned: each key and where its value came from; else none. */
export function entriesOf(config: Config): readonly ConfigEntry[] {
  return RESOLVED.get(config) ?? [];
}

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
  RESOLVED.set(parsed.data, entries);
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
