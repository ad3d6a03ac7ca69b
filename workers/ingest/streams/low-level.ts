/**
 * Reading an event type without a subscription (Nakadi's `GET /event-types/{name}/events`): the client keeps its own
 * cursors and says where to begin in `X-Nakadi-Cursors`; without it, at the newest.
 */
import { hasCode, MuaraError } from "../../../core/errors.ts";
import { answerHeaders } from "../../../core/http.ts";
import { parseJson } from "../../../core/parse-json.ts";
import { checkNotBlocked } from "../../../core/settings.ts";
import type { Call, RoutePart } from "../call.ts";
import { cursorsBody, parseCursors } from "../cursors/cursor-body.ts";
import { Partitions } from "../cursors/partitions.ts";
import { readEventType } from "../event-types.ts";
import { authorizeKnownType, authorizeType } from "../rights.ts";
import { EventStream } from "./event-stream.ts";
import { streamAnswer } from "./stream-answer.ts";
import type { StreamHost } from "./stream-host.ts";
import { lowLevelRules } from "./stream-parameters.ts";

const CURSORS_HEADER = "x-nakadi-cursors";
const WARNING = '299 - "Deprecated: use the subscription API"';

export function lowLevelRoutes(host: StreamHost): RoutePart {
  return ({ on, refuseOthers }) => {
    on("GET", "/event-types/:name/events", (call) => open(host, call));
    refuseOthers("/event-types/:name/events", "GET, HEAD, POST");
  };
}

async function open(host: StreamHost, call: Call): Promise<Response> {
  const { ports, limits, places } = host;
  const { name, principal, request, flowId } = call;
  await authorizeType(ports.registry, principal, "read", name);
  checkNotBlocked(ports.registry, "CONSUMER", principal.id, [name]);
  const { type } = await readEventType(ports.registry, principal, name);
  const rules = lowLevelRules(call.query, ports.randomness);
  const starts = await startsOf(await Partitions.of(ports.log, type), request.headers.get(CURSORS_HEADER));
  const headers = { warning: WARNING };
  if (request.method === "HEAD")
    return new Response(null, { headers: { ...answerHeaders(flowId), ...headers } });
  const giveBack = places.take([
    host.placeOf(principal),
    ...[...starts.keys()].map((partition) => ({
      key: `${principal.id} ${name}/${partition}`,
      most: limits.perPartition,
      limit: "streams.perPartition",
    })),
  ]);
  const stream = new EventStream({ ...ports, ...limits, rules, ends: host.ends, tellsEveryEnd: false });
  const leave = host.enter(stream, call, () => {
    authorizeKnownType(ports.registry, host.principalNow(call), "read", name);
    checkNotBlocked(ports.registry, "CONSUMER", principal.id, [name]);
  });
  const end = (): void => {
    leave();
    giveBack();
  };
  try {
    for (const [partition, next] of starts) await stream.add({ type, partition, next });
  } catch (error) {
    stream.release();
    end();
    throw error;
  }
  return streamAnswer(ports, stream, { request, flowId, headers, onEnd: end });
}

/** @returns by partition the offset to begin with @throws request.malformed, cursor.unavailable */
async function startsOf(partitions: Partitions, header: string | null): Promise<ReadonlyMap<number, number>> {
  if (header === null) {
    const all = Array.from({ length: partitions.count }, (_, partition) => partition);
    const ends = await Promise.all(all.map((partition) => partitions.bounds(partition)));
    return new Map(ends.map(({ endOffset }, partition) => [partition, endOffset]));
  }
  try {
    const cursors = parseCursors(cursorsBody, parsedHeader(header));
    const places = await Promise.all(cursors.map((cursor) => partitions.readablePlace(cursor)));
    if (new Set(places.map(({ partition }) => partition)).size < places.length)
      throw new MuaraError("cursor.unavailable", "A partition is named twice.");
    return new Map(places.map(({ partition, offset }) => [partition, offset + 1]));
  } catch (error) {
    if (!hasCode(error, "cursor.invalid")) throw error;
    throw new MuaraError("cursor.unavailable", error.message, { details: error.details });
  }
}

function parsedHeader(text: string): unknown {
  let parsed: unknown;
  try {
    parsed = parseJson(text);
  } catch (cause) {
    throw new MuaraError("request.malformed", "X-Nakadi-Cursors is not JSON.", { cause });
  }
  if (Array.isArray(parsed)) return parsed;
  throw new MuaraError("request.malformed", "X-Nakadi-Cursors is no list of cursors.");
}
