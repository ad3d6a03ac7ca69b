/**
 * GET /v1/live: one stream for a whole browser. `contains` and `fate` filter its tails here, so
 * that nothing goes over the wire that nobody sees; given several times, each is of the tail in its place.
 */
import type { Hono } from "hono";
import { MuaraError } from "../../core/errors.ts";
import type { Principal } from "../../core/authorize.ts";
import { mayReadWhole } from "../../lake/query/part.ts";
import { wholeNumber, wholeTable, type ApiContext, type ApiEnv, type ApiPorts } from "../context.ts";
import { liveStream, type LiveStream } from "../live/live-stream.ts";
import type { LiveHost } from "../live/live-host.ts";
import type { FateFilter, TailChannel } from "../live/tail-channel.ts";

const TAILS_MAX = 4;
/** As long as a stream can be asked for. */
const SECONDS_MAX = 86_400;
const CONTAINS_MAX = 200;
const FATES: readonly string[] = ["landed", "duplicate", "dead_letter"] satisfies FateFilter[];

/** @param host who looks at what happens; undefined: nobody can */
export function addLiveRoute(app: Hono<ApiEnv>, ports: ApiPorts, host: LiveHost | undefined): void {
  app.get("/v1/live", async (context) => {
    if (!host) throw new MuaraError("feature.disabled", "This process has no live stream.");
    const wanted = await wantedOf(ports, context);
    return answer(ports, host, context, wanted);
  });
}

interface Wanted {
  readonly isNow: boolean;
  readonly endMs: number;
  readonly types: readonly Parameters<LiveHost["tail"]>[0][];
}

function answer(
  ports: ApiPorts,
  host: LiveHost,
  context: ApiContext,
  { isNow, endMs, types }: Wanted,
): Response {
  const asker = context.get("principal");
  const leaves: (() => void)[] = [];
  const letGo = (): void => {
    for (const leave of leaves.splice(0)) leave();
  };
  let stream: LiveStream | undefined;
  leaves.push(host.enter(asker, (reason) => stream?.end(reason)));
  try {
    const now = isNow ? host.now() : undefined;
    if (now) leaves.push(now.leave);
    const tails: TailChannel[] = [];
    for (const type of types) {
      const { channel, leave } = host.tail(type);
      leaves.push(leave);
      tails.push(channel);
    }
    const { clock, authenticator } = ports;
    stream = liveStream({
      clock,
      epoch: host.epoch,
      watched: { now: now?.channel, tails },
      principal: () => checked(authenticator ? authenticator.renew(asker) : asker, types),
      lastEventId: context.req.header("last-event-id"),
      slowMs: host.limits.slowMs,
      endMs,
      onEnd: letGo,
    });
  } catch (error) {
    letGo();
    throw error;
  }
  const headers = { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" };
  return new Response(stream.body, { headers });
}

/** @throws auth.forbidden */
function checked(principal: Principal, types: Wanted["types"]): Principal {
  const lost = types.find(({ type }) => !mayReadWhole(principal, type.name));
  if (!lost) return principal;
  throw new MuaraError("auth.forbidden", `${principal.id} may not read "${lost.type.name}" any more.`);
}

/** @throws request.malformed, table.not_found, auth.forbidden */
async function wantedOf(ports: ApiPorts, context: ApiContext): Promise<Wanted> {
  // The same type may be looked at twice, by other filters.
  const asked = (context.req.query("topics") ?? "").split(",");
  const names = asked.filter((one) => one.startsWith("tail:")).map((one) => one.slice("tail:".length));
  const unknown = asked.find((one) => one !== "now" && !one.startsWith("tail:"));
  if (unknown !== undefined)
    throw malformed("topics", `topics are now and tail:EVENT_TYPE, not "${unknown.slice(0, 100)}"`);
  if (names.length > TAILS_MAX) throw malformed("topics", `A stream has at most ${TAILS_MAX} tails.`);
  const contains = context.req.queries("contains") ?? [];
  if (contains.some((text) => text.length > CONTAINS_MAX))
    throw malformed("contains", `contains has at most ${CONTAINS_MAX} characters.`);
  const fates = context.req.queries("fate") ?? [];
  if (fates.some((fate) => fate !== "" && !FATES.includes(fate)))
    throw malformed("fate", `fate is one of ${FATES.join(", ")}.`);
  const types = await Promise.all(
    names.map(async (name, at) => {
      const { eventType: type } = await wholeTable(ports, context.get("principal"), name);
      if (!type) throw malformed("topics", `"${name.slice(0, 100)}" is not an event type.`);
      const fate = ofTail(fates, at);
      return { type, contains: ofTail(contains, at), fate: fate === "" ? undefined : (fate as FateFilter) };
    }),
  );
  const seconds =
    context.req.query("seconds") === undefined ? Infinity : wholeNumber(context, "seconds", 1, SECONDS_MAX);
  return { endMs: seconds * 1_000, isNow: asked.includes("now"), types };
}

/** One given is for all. */
function ofTail(given: readonly string[], at: number): string {
  return (given.length === 1 ? given[0] : given[at]) ?? "";
}

function malformed(parameter: string, message: string): MuaraError {
  return new MuaraError("request.malformed", message, { details: { parameter } });
}
