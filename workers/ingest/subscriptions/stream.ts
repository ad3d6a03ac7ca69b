/** Opening a stream of a subscription: parameters in the address (GET) or in the body (POST), then a place for it. */
import { MuaraError } from "../../../core/errors.ts";
import { answerHeaders } from "../../../core/http.ts";
import type { Call } from "../call.ts";
import { isObject } from "../json-schema.ts";
import { EventStream } from "../streams/event-stream.ts";
import { feedKey } from "../streams/partition-feed.ts";
import { streamAnswer } from "../streams/stream-answer.ts";
import { type Given, subscriptionRules } from "../streams/stream-parameters.ts";
import { authorizeStreaming } from "./rights.ts";
import { Session } from "./session.ts";
import type { Subscription } from "./subscription.ts";
import type { Subscriptions } from "./subscriptions.ts";

const STREAM_ID = "X-Nakadi-StreamId";

/** @throws auth.blocked, stream.parameters, stream.too_many, subscription.no_slot, request.malformed */
export async function openStream(
  { host, store, node }: Subscriptions,
  subscription: Subscription,
  call: Call,
): Promise<Response> {
  const { ports, limits, places, ends } = host;
  const { request, flowId, principal } = call;
  const body = request.method === "POST" ? await call.json() : {};
  if (!isObject(body)) throw new MuaraError("request.malformed", "The body is no JSON object.");
  const rules = subscriptionRules(request.method === "POST" ? givenIn(body) : call.query, ports.randomness);
  const direct = await directParts(store, subscription, body["partitions"]);
  if (request.method === "HEAD") return new Response(null, { headers: answerHeaders(flowId) });
  const check = (): void =>
    authorizeStreaming(store.registry, host.principalNow(call), store.known(subscription.id) ?? subscription);
  check();
  const { epoch } = await store.cursors(subscription);
  const id = ports.randomness.uuid();
  const session = new Session({
    id,
    subscriptionId: subscription.id,
    epoch,
    rules,
    clock: ports.clock,
    host: node,
  });
  const stream = new EventStream({
    ...ports,
    ...limits,
    ends,
    rules,
    tellsEveryEnd: true,
    firstNote: "Stream started",
    allowance: ({ key }) => session.allowance(key, node.singleUntil(subscription.id, key)),
    onBatch: ({ key }, events, lastOffset) => session.sent(key, events, lastOffset),
  });
  session.stream = stream;
  const giveBack = places.take([host.placeOf(principal)]);
  let leave = giveBack;
  try {
    const exit = host.enter(stream, call, check, (reason) => session.end(reason));
    leave = () => {
      exit();
      giveBack();
    };
    await node.open(subscription, session, direct);
  } catch (error) {
    leave();
    throw error;
  }
  const onEnd = (): void => {
    leave();
    session.answered();
  };
  return streamAnswer(ports, stream, { request, flowId, headers: { [STREAM_ID]: id }, onEnd });
}

/** Numbers of a JSON body as the text that a query would have. */
function givenIn(body: Readonly<Record<string, unknown>>): Given {
  return (name) => {
    const value = body[name];
    return value === undefined || value === null ? null : JSON.stringify(value);
  };
}

/** @throws stream.parameters for one that the subscription does not have, or that is named twice */
async function directParts(
  store: Subscriptions["store"],
  subscription: Subscription,
  partitions: unknown,
): Promise<readonly string[] | undefined> {
  if (!Array.isArray(partitions) || partitions.length === 0) return undefined;
  const known = new Set((await store.parts(subscription)).map(({ key }) => key));
  const keys = partitions.map((one: unknown) => {
    const named = isObject(one) ? one : {};
    const key = feedKey(String(named["event_type"]), Number(named["partition"]));
    if (known.has(key)) return key;
    throw new MuaraError("stream.parameters", "partitions: the subscription has no such partition.");
  });
  if (new Set(keys).size < keys.length)
    throw new MuaraError("stream.parameters", "partitions: a partition is named twice.");
  return keys;
}
