/** POST /v1/sql: one read-only statement; rows as JSON, NDJSON, CSV, Parquet or Arrow, streamed. */
import type { Hono } from "hono";
import { bodyLimit } from "hono/body-limit";
import { z } from "zod";
import { MuaraError } from "../../core/errors.ts";
import type { QueryAnswer, QueryFormat } from "../../lake/query/service.ts";
import { isoOrNull, type ApiEnv, type ApiPorts } from "../context.ts";

/** JSON around the SQL text: escapes can double it. */
const BODY_FACTOR = 2;
const BODY_SLACK_BYTES = 8_192;

const atPoint = z.union([z.int().nonnegative(), z.string().min(1).max(100)]);
export const sqlRequestSchema = z.strictObject({
  sql: z.string(),
  at: z.union([atPoint, z.record(z.string(), atPoint)]).optional(),
  limit: z.int().positive().optional(),
  timeout_ms: z.int().positive().max(600_000).optional(),
});

const TYPES: readonly (readonly [string, QueryFormat])[] = [
  ["application/json", "json"],
  ["application/x-ndjson", "ndjson"],
  ["text/csv", "csv"],
  ["application/vnd.apache.parquet", "parquet"],
  ["application/vnd.apache.arrow.stream", "arrow"],
];

export function addSqlRoutes(
  app: Hono<ApiEnv>,
  ports: ApiPorts,
  options: { readonly sqlBytes: number },
): void {
  const maxSize = options.sqlBytes * BODY_FACTOR + BODY_SLACK_BYTES;
  const onError = (): never => {
    throw new MuaraError("sql.too_large", `The request is longer than ${maxSize} bytes.`);
  };
  app.post("/v1/sql", bodyLimit({ maxSize, onError }), async (context) => {
    const [mediaType, format] = negotiate(context.req.header("accept"));
    const request = readRequest(context.req.header("content-type"), await context.req.text());
    const leaving = new AbortController();
    const signal = AbortSignal.any([context.req.raw.signal, leaving.signal]);
    const answer = await ports.query.run(
      {
        sql: request.sql,
        at: request.at,
        limit: request.limit,
        timeoutMs: request.timeout_ms,
        principal: context.get("principal"),
        format,
      },
      signal,
    );
    const body = format === "json" ? jsonBody(answer) : answer.body;
    const headers = new Headers({ "content-type": mediaType, vary: "accept" });
    if (format !== "json") {
      headers.set("muara-versions", JSON.stringify(answer.versions));
      const completeThrough = isoOrNull(answer.completeThroughMs);
      if (completeThrough) headers.set("muara-complete-through", completeThrough);
    }
    return new Response(toStream(body, leaving), { headers });
  });
}

/** `{"columns":[…],"rows":[…],"complete_through":…,"versions":{…},"truncated":…}` */
async function* jsonBody(answer: QueryAnswer): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`{"columns":${JSON.stringify(answer.columns)},"rows":[`);
  yield* answer.body;
  const tail = {
    complete_through: isoOrNull(answer.completeThroughMs),
    versions: answer.versions,
    truncated: answer.end.isTruncated,
  };
  yield Buffer.from(`],${JSON.stringify(tail).slice(1)}\n`);
}

/** A client that goes away ends the query. */
function toStream(body: AsyncIterable<Uint8Array>, leaving: AbortController): ReadableStream<Uint8Array> {
  const iterator = body[Symbol.asyncIterator]();
  return new ReadableStream({
    pull: async (controller) => {
      try {
        const { done, value } = await iterator.next();
        if (done) controller.close();
        else controller.enqueue(value);
      } catch (error) {
        controller.error(cutOff(error));
      }
    },
    cancel: () => leaving.abort(),
  });
}

/**
 * The status has been sent, so the connection breaks: a client must not take what it has for the whole. The service
 * has logged the cause; the server prints what it is given here, so that is one line.
 */
function cutOff(error: unknown): Error {
  const code = error instanceof MuaraError ? error.code : "internal";
  const cut = new Error(`an answer was cut off: ${code}`);
  delete cut.stack;
  return cut;
}

function readRequest(contentType: string | undefined, text: string): z.infer<typeof sqlRequestSchema> {
  if (!/^application\/(?:[a-z0-9.+-]+\+)?json\b/i.test(contentType ?? ""))
    throw new MuaraError("request.media_type", 'Send {"sql": "…"} as application/json.');
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new MuaraError("request.malformed", "The body is not JSON.", { cause });
  }
  const checked = sqlRequestSchema.safeParse(parsed);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  const pointer = `/${issue.path.map(String).join("/")}`;
  throw new MuaraError("request.malformed", `${pointer}: ${issue.message}`, { details: { pointer } });
}

/** The offered type that the client likes best (RFC 9110 §12.5.1). @throws request.not_acceptable */
export function negotiate(accept: string | undefined): readonly [string, QueryFormat] {
  if (!accept?.trim()) return TYPES[0]!;
  const wishes = accept.split(",").map((part) => {
    const [range, ...parameters] = part
      .trim()
      .toLowerCase()
      .split(/\s*;\s*/);
    const quality = parameters.find((parameter) => parameter.startsWith("q="));
    return { range: range!, quality: quality ? Number(quality.slice(2)) : 1 };
  });
  const qualityOf = (type: string): number => {
    const group = `${type.split("/")[0]!}/*`;
    for (const range of [type, group, "*/*"]) {
      const wish = wishes.find((one) => one.range === range);
      if (wish) return wish.quality;
    }
    return 0;
  };
  let best: (typeof TYPES)[number] | undefined;
  let bestQuality = 0;
  for (const offered of TYPES) {
    const quality = qualityOf(offered[0]);
    if (quality > bestQuality) [best, bestQuality] = [offered, quality];
  }
  if (best) return best;
  const offered = TYPES.map(([type]) => type);
  throw new MuaraError("request.not_acceptable", `Offered are ${offered.join(", ")}.`, {
    details: { offered },
  });
}
