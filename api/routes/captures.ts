/**
 * GET, POST /v1/captures and what is below: changes of databases, as events. Whoever declares one administers the
 * event types that it feeds; what databases there are the configuration says.
 */
import type { Hono } from "hono";
import { z } from "zod";
import { isAuthorized, type Principal } from "../../core/authorize.ts";
import {
  type Capture,
  captureName,
  captureRequestSchema,
  type CaptureState,
  tableName,
} from "../../core/capture.ts";
import {
  eventTypeNames,
  insertsPublicationName,
  publicationName,
  STEM_LENGTH,
} from "../../core/capture-names.ts";
import { type Finding, preflight } from "../../core/capture-preflight.ts";
import { takeAway } from "../../core/capture-source.ts";
import { hasCode, MuaraError } from "../../core/errors.ts";
import type { EventType } from "../../core/event-type.ts";
import type { SourceDatabase } from "../../core/ports/source-database.ts";
import type { Declaration } from "../../core/registry.ts";
import { shownCapture } from "../capture-answer.ts";
import { type ApiContext, type ApiEnv, type ApiPorts, demand } from "../context.ts";
import { readBody } from "../read-body.ts";

const ID_BYTES = 6;
/** How long a removal waits for the slot to be let go by who reads it, ms. */
const RELEASE_MS = 20_000;
const LOOK_MS = 250;

export const captureCheckSchema = z.strictObject({
  database: captureName,
  /** Tables, or tables and the names of their event types; without them all that could be captured. */
  tables: z.union([z.array(tableName).min(1), z.record(tableName, z.string())]).optional(),
  prefix: z.string().optional(),
  copy: z.enum(["initial", "none"]).default("initial"),
});

type CheckRequest = z.infer<typeof captureCheckSchema>;

export function addCaptureRoutes(app: Hono<ApiEnv>, ports: ApiPorts): void {
  const { registry, logger } = ports;
  const one = async (context: ApiContext, action: "read" | "admin"): Promise<Declaration<Capture>> => {
    await registry.refresh();
    const name = context.req.param("name")!;
    const found = registry.get<Capture>("capture", name);
    const principal = context.get("principal");
    if (!found?.value || !maySee(principal, name)) throw notFound(name);
    demand(context, action, { kind: "capture", name });
    return found;
  };
  const change = async (
    context: ApiContext,
    what: string,
    next: (capture: Capture) => Capture,
  ): Promise<Response> => {
    const { value, revision } = await one(context, "admin");
    const changed = next(value!);
    const by = context.get("principal").id;
    if (changed !== value) await registry.put("capture", changed.name, revision, changed, by);
    logger.info(`${what} a capture`, { by, capture: changed.name });
    return context.json(shownCapture(ports, changed));
  };

  app.get("/v1/captures", async (context) => {
    await registry.refresh();
    const mine = registry
      .list<Capture>("capture")
      .map(({ value }) => value!)
      .filter(({ name }) => maySee(context.get("principal"), name));
    return context.json({ items: mine.map((capture) => shownCapture(ports, capture)) });
  });
  app.post("/v1/captures", async (context) => {
    const capture = await declare(ports, context);
    logger.info("declared a capture", { by: capture.by, capture: capture.name, database: capture.database });
    return context.json(shownCapture(ports, capture), 201);
  });
  app.post("/v1/captures/check", async (context) => {
    demand(context, "admin", { kind: "capture", name: "*" });
    const request = await readBody(context, captureCheckSchema);
    const source = await sourceOf(ports, request.database);
    return context.json({
      findings: await check(ports, source, await withTables(source, request), undefined),
    });
  });
  app.get("/v1/captures/:name", async (context) =>
    context.json(shownCapture(ports, (await one(context, "read")).value!)),
  );
  app.get("/v1/captures/:name/check", async (context) => {
    const capture = (await one(context, "admin")).value!;
    const source = await sourceOf(ports, capture.database);
    return context.json({ findings: await check(ports, source, capture, capture) });
  });
  app.post("/v1/captures/:name/pause", (context) =>
    change(context, "paused", (capture) => (capture.isPaused ? capture : { ...capture, isPaused: true })),
  );
  app.post("/v1/captures/:name/resume", (context) =>
    change(context, "resumed", (capture) => (capture.isPaused ? { ...capture, isPaused: false } : capture)),
  );
  app.post("/v1/captures/:name/recopy", async (context) => {
    const tables = context.req.queries("table") ?? [];
    if (tables.length === 0) return change(context, "copies anew", anew);
    await checkCopyable(ports, (await one(context, "admin")).value!, tables);
    const wish = newId();
    const again = Object.fromEntries(tables.map((table) => [table, wish]));
    return change(context, "copies tables anew", (capture) => ({
      ...capture,
      again: { ...capture.again, ...again },
      isPaused: false,
    }));
  });
  app.delete("/v1/captures/:name", async (context) => {
    const { value, revision } = await one(context, "admin");
    const by = context.get("principal").id;
    const keeps = context.req.query("keep_slot") === "true";
    if (keeps) await changeState(ports, value!.name, (state) => ({ ...state, isKept: true }));
    await registry.put("capture", value!.name, revision, null, by);
    logger.info("removed a capture", { by, capture: value!.name });
    const left = keeps ? await changeState(ports, value!.name, () => null) : await clear(ports, value!);
    return left === undefined
      ? context.body(null, 204)
      : context.json({ slot: left, taken_away: false }, 202);
  });
}

/** Another declaration: it begins anew, and what the former one has at the source goes. */
function anew(capture: Capture): Capture {
  // Under the same names at its source.
  const id = capture.id.slice(0, STEM_LENGTH) + newId().slice(STEM_LENGTH);
  return { ...capture, id, copy: "initial", again: {}, isPaused: false };
}

/** @throws request.malformed, capture.refused, source.* */
async function checkCopyable(ports: ApiPorts, capture: Capture, tables: readonly string[]): Promise<void> {
  const known = eventTypeNames(capture);
  const strange = tables.find((table) => !known.has(table));
  if (strange !== undefined)
    throw new MuaraError("request.malformed", `table: the capture "${capture.name}" has no ${strange}`, {
      details: { pointer: "table" },
    });
  const present = await (await sourceOf(ports, capture.database)).tables(tables);
  for (const table of tables)
    if (!present.get(table)?.key.length)
      throw new MuaraError(
        "capture.refused",
        `${table} is gone or has no key: it cannot be copied by itself. ` +
          `\`muara capture recopy ${capture.name}\` copies all tables anew.`,
        { details: { table } },
      );
}

function maySee(principal: Principal, name: string): boolean {
  return isAuthorized(principal, "read", { kind: "capture", name });
}

function notFound(name: string): MuaraError {
  return new MuaraError("capture.not_found", `There is no capture "${name}".`, {
    details: { capture: name },
  });
}

async function sourceOf({ openSource }: ApiPorts, database: string): Promise<SourceDatabase> {
  try {
    if (openSource) return await openSource(database);
  } catch (error) {
    if (!hasCode(error, "config.invalid")) throw error;
  }
  throw new MuaraError("request.malformed", `/database: the configuration's postgres has no "${database}"`, {
    details: { pointer: "/database" },
  });
}

/** @throws request.malformed, auth.forbidden, capture.refused, .conflict, .too_many, declaration.conflict, source.* */
async function declare(ports: ApiPorts, context: ApiContext): Promise<Capture> {
  const { registry, clock, capture: bounds } = ports;
  const request = await readBody(context, captureRequestSchema);
  const principal = context.get("principal");
  demand(context, "admin", { kind: "capture", name: request.name });
  const capture: Capture = {
    ...request,
    shard: request.shard ?? request.database,
    id: newId(),
    isPaused: false,
    by: principal.id,
    createdMs: clock.nowMs(),
  };
  for (const [table, eventType] of eventTypeNames(capture)) {
    if (isAuthorized(principal, "admin", { kind: "event_type", name: eventType })) continue;
    throw new MuaraError(
      "auth.forbidden",
      `${principal.id} may not feed "${eventType}" with ${table}: it takes admin on the event type.`,
    );
  }
  for (const eventType of Object.values(request.messages))
    demand(context, "write", { kind: "event_type", name: eventType });
  if (request.outbox) demand(context, "write", { kind: "event_type", name: "*" });
  const source = await sourceOf(ports, request.database);
  await registry.refresh();
  refuseTaken(ports, capture, bounds?.captures ?? 0);
  const findings = await check(ports, source, capture, undefined);
  const errors = findings.filter(({ severity }) => severity === "error");
  if (errors.length > 0)
    throw new MuaraError("capture.refused", errors.map(({ problem }) => problem).join("; "), {
      details: { findings },
    });
  await registry.put("capture", capture.name, 0, capture, principal.id);
  return capture;
}

/** @throws capture.too_many, capture.conflict, declaration.conflict */
function refuseTaken({ registry }: ApiPorts, capture: Capture, most: number): void {
  const others = registry.list<Capture>("capture").map(({ value }) => value!);
  if (others.some(({ name }) => name === capture.name))
    throw new MuaraError("declaration.conflict", `There is a capture "${capture.name}" already.`);
  if (registry.get("capture-state", capture.name))
    throw new MuaraError(
      "capture.conflict",
      `What a removed capture "${capture.name}" has at its source is being taken away. Wait, or take another name.`,
    );
  if (others.length >= most)
    throw new MuaraError("capture.too_many", `There are ${most} captures already.`, {
      details: { limit: most },
    });
  const names = new Set(eventTypeNames(capture).values());
  const same = others.find(
    (other) =>
      other.shard === capture.shard && [...eventTypeNames(other).values()].some((name) => names.has(name)),
  );
  if (same)
    throw new MuaraError(
      "capture.conflict",
      `The capture "${same.name}" feeds the same event types under the shard "${capture.shard}". Name another shard.`,
    );
}

async function check(
  { registry }: ApiPorts,
  source: SourceDatabase,
  request: Pick<Capture, "tables" | "prefix" | "database" | "outbox" | "copy">,
  existing: Capture | undefined,
): Promise<readonly Finding[]> {
  await registry.refresh();
  const eventTypes = eventTypeNames(request);
  const tables = await source.tables([...eventTypes.keys()]);
  const published = existing
    ? await Promise.all([publicationName(existing), insertsPublicationName(existing)].map(source.published))
    : [];
  return preflight(await source.server(), tables, {
    eventTypes,
    copiesInitially: request.copy === "initial",
    published: published.flatMap((names) => names ?? []),
    publishedWhole: published[0] ?? [],
    isNew: existing === undefined,
    declared: (name) => registry.get<EventType>("event-type", name.toLowerCase())?.value ?? undefined,
  });
}

async function withTables(
  source: SourceDatabase,
  { tables, prefix, database, copy }: CheckRequest,
): Promise<Pick<Capture, "tables" | "prefix" | "database" | "outbox" | "copy">> {
  const all = tables ?? [...(await source.tables()).keys()];
  return { tables: all, prefix, database, outbox: undefined, copy };
}

/** Whoever captures may be writing it at the same moment. */
async function changeState(
  { registry }: ApiPorts,
  name: string,
  change: (state: CaptureState) => CaptureState | null,
): Promise<undefined> {
  for (;;) {
    await registry.refresh();
    const stored = registry.get<CaptureState>("capture-state", name);
    if (!stored?.value) return;
    try {
      await registry.put("capture-state", name, stored.revision, change(stored.value));
      return;
    } catch (error) {
      if (!hasCode(error, "declaration.conflict")) throw error;
    }
  }
}

/** @returns the name of the slot where it is still there: who runs captures takes it away later */
async function clear(ports: ApiPorts, capture: Capture): Promise<string | undefined> {
  const { registry, clock, logger } = ports;
  const untilMs = clock.monotonicMs() + RELEASE_MS;
  for (;;) {
    await registry.refresh();
    const state = registry.get<CaptureState>("capture-state", capture.name)?.value;
    if (!state) return undefined;
    try {
      await takeAway(await sourceOf(ports, state.database), state);
      return await changeState(ports, capture.name, () => null);
    } catch (error) {
      if (!hasCode(error, "source.busy") || clock.monotonicMs() >= untilMs) {
        logger.warn("the slot of a removed capture is still there", {
          capture: capture.name,
          slot: state.slot,
          error,
        });
        return state.slot;
      }
    }
    await clock.sleep(LOOK_MS);
  }
}

function newId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(ID_BYTES))).toString("hex");
}
