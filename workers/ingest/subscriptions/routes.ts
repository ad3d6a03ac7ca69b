/** Subscriptions over HTTP (Nakadi's `/subscriptions`): declaring them, their cursors, and how far they are. */
import { MuaraError } from "../../../core/errors.ts";
import { answerHeaders, jsonResponse } from "../../../core/http.ts";
import type { Call, RoutePart } from "../call.ts";
import { offsetText } from "../cursors/offset-text.ts";
import { pageOf } from "../page.ts";
import { parseCommits, parseReset } from "./cursor-items.ts";
import { authorizeAdministering, authorizeReading, authorizeTypes, maySee } from "./rights.ts";
import { statesOf, statsOf } from "./stats.ts";
import { openStream } from "./stream.ts";
import {
  invalidSubscription,
  parseSubscription,
  shownSubscription,
  type Subscription,
} from "./subscription.ts";
import type { Subscriptions } from "./subscriptions.ts";
import { left } from "./topology.ts";

const STREAM_ID = "x-nakadi-streamid";

export function subscriptionRoutes(all: Subscriptions): RoutePart {
  const doors = new SubscriptionDoor(all);
  return ({ on, refuseOthers }) => {
    on("GET", "/subscriptions", (call) => doors.list(call));
    on("POST", "/subscriptions", (call) => doors.create(call));
    refuseOthers("/subscriptions", "GET, HEAD, POST");
    on("GET", "/subscriptions/:id", (call) => doors.show(call));
    on("PUT", "/subscriptions/:id", (call) => doors.change(call));
    on("DELETE", "/subscriptions/:id", (call) => doors.remove(call));
    refuseOthers("/subscriptions/:id", "GET, HEAD, PUT, DELETE");
    on("GET", "/subscriptions/:id/cursors", (call) => doors.cursors(call));
    on("POST", "/subscriptions/:id/cursors", (call) => doors.commit(call));
    on("PATCH", "/subscriptions/:id/cursors", (call) => doors.reset(call));
    refuseOthers("/subscriptions/:id/cursors", "GET, HEAD, POST, PATCH");
    on("GET", "/subscriptions/:id/events", (call) => doors.stream(call));
    on("POST", "/subscriptions/:id/events", (call) => doors.stream(call));
    refuseOthers("/subscriptions/:id/events", "GET, HEAD, POST");
    on("GET", "/subscriptions/:id/stats", (call) => doors.stats(call));
    refuseOthers("/subscriptions/:id/stats", "GET, HEAD");
  };
}

class SubscriptionDoor {
  readonly #all: Subscriptions;

  constructor(all: Subscriptions) {
    this.#all = all;
  }

  async list(call: Call): Promise<Response> {
    const { store } = this.#all;
    const owner = call.query("owning_application");
    const reader = call.query("reader");
    const types = new URL(call.request.url).searchParams
      .getAll("event_type")
      .flatMap((one) => one.split(","));
    const shown = (await store.list()).filter(
      (one) =>
        maySee(store.registry, call.principal, one) &&
        (owner === null || one.owning_application === owner) &&
        types.every((type) => one.event_types.includes(type)) &&
        (reader === null || isReader(one, reader)),
    );
    const page = pageOf(shown, call, "/subscriptions");
    const isWithState = call.query("show_status") === "true";
    const items = page.items.map(async (one) => ({
      ...shownSubscription(one),
      ...(isWithState
        ? { status: statesOf(store.topology(one.id), await store.parts(one).catch(() => [])) }
        : {}),
    }));
    return jsonResponse({ ...page, items: await Promise.all(items) }, 200, call.flowId);
  }

  async create(call: Call): Promise<Response> {
    const { store, host } = this.#all;
    const input = parseSubscription(await call.json());
    const { principal, flowId } = call;
    // Whoever may not read an event type learns nothing about it.
    await store.registry.refresh();
    authorizeTypes(store.registry, principal, input);
    const { subscription, isNew } = await store.create(input, principal.id);
    const response = jsonResponse(shownSubscription(subscription), isNew ? 201 : 200, flowId);
    const location = `/subscriptions/${subscription.id}`;
    response.headers.set("location", location);
    if (!isNew) return response;
    response.headers.set("content-location", location);
    host.ports.logger.info("subscription declared", {
      subscription: subscription.id,
      by: principal.id,
      flow_id: flowId,
    });
    return response;
  }

  async show(call: Call): Promise<Response> {
    return jsonResponse(shownSubscription(await this.#readable(call)), 200, call.flowId);
  }

  async change(call: Call): Promise<Response> {
    const { id } = await this.#administered(call);
    const input = parseSubscription(await call.json());
    const now = new Date(this.#all.host.ports.clock.nowMs()).toISOString();
    await this.#all.store.change(
      id,
      (before) => {
        for (const field of ["owning_application", "consumer_group"] as const)
          if (input[field] !== before[field]) throw invalidSubscription(field, "cannot change");
        if (input.event_types.join() !== before.event_types.join())
          throw invalidSubscription("event_types", "cannot change");
        if (before.authorization && !input.authorization)
          throw invalidSubscription("authorization", "cannot be taken away");
        return {
          ...before,
          authorization: input.authorization ?? null,
          annotations: input.annotations ?? before.annotations,
          labels: input.labels ?? before.labels,
          updated_at: now,
        };
      },
      call.principal.id,
    );
    return new Response(null, { status: 204, headers: answerHeaders(call.flowId) });
  }

  async remove(call: Call): Promise<Response> {
    const { id } = await this.#administered(call);
    await this.#all.store.remove(id, call.principal.id);
    this.#all.node.notice(id);
    this.#all.host.ports.logger.info("subscription deleted", { subscription: id, by: call.principal.id });
    return new Response(null, { status: 204, headers: answerHeaders(call.flowId) });
  }

  async cursors(call: Call): Promise<Response> {
    const { store, host } = this.#all;
    const subscription = await this.#readable(call);
    await store.registry.refresh();
    const [cursors, parts] = await Promise.all([store.cursors(subscription), store.parts(subscription)]);
    const token = host.ports.randomness.uuid();
    const items = parts.map(({ type, partition }) => ({
      event_type: type.name,
      partition: String(partition),
      offset: offsetText((cursors.positions[type.name]?.[partition] ?? 0) - 1),
      cursor_token: token,
    }));
    return jsonResponse({ items }, 200, call.flowId);
  }

  async commit(call: Call): Promise<Response> {
    const { committer } = this.#all;
    const subscription = await this.#readable(call);
    const streamId = call.request.headers.get(STREAM_ID);
    if (streamId === null)
      throw new MuaraError("request.malformed", "A commit needs the header X-Nakadi-StreamId.");
    const { items, commits } = parseCommits(await call.json());
    const results = await committer.commit(subscription, streamId, commits);
    if (results.every((result) => result === "committed"))
      return new Response(null, { status: 204, headers: answerHeaders(call.flowId) });
    const answer = items.map((cursor, i) => ({ cursor, result: results[i] }));
    return jsonResponse({ items: answer }, 200, call.flowId);
  }

  async reset(call: Call): Promise<Response> {
    const { store, node, host } = this.#all;
    const subscription = await this.#administered(call);
    const parts = await store.parts(subscription);
    const positions = await parseReset(host.ports.log, parts, await call.json());
    if (positions.length > 0) {
      const { epoch } = await store.changeCursors(subscription, (before) => {
        const after: Record<string, readonly number[]> = { ...before.positions };
        for (const [{ type, partition }, position] of positions) {
          const ofType = [...(after[type.name] ?? [])];
          for (let p = ofType.length; p < partition; p++) ofType[p] = 0;
          ofType[partition] = position;
          after[type.name] = ofType;
        }
        return { ...before, epoch: before.epoch + 1, positions: after };
      });
      const keys = parts.map(({ key }) => key);
      // From the new epoch on no stream of before can commit; now they lose their partitions, too.
      await store.changeTopology(subscription.id, (before) => ({
        ...left(before, (_id, entry) => entry.epoch < epoch, keys),
        trials: {},
      }));
      node.notice(subscription.id);
      await host.ports.audit?.record({
        action: "reset",
        resource_type: "subscription",
        resource_id: subscription.id,
        user: call.principal.id,
        request_id: call.flowId,
      });
      host.ports.logger.info("cursors reset", { subscription: subscription.id, by: call.principal.id });
    } else await store.cursors(subscription);
    return new Response(null, { status: 204, headers: answerHeaders(call.flowId) });
  }

  async stream(call: Call): Promise<Response> {
    const subscription = await this.#readable(call);
    return openStream(this.#all, subscription, call);
  }

  async stats(call: Call): Promise<Response> {
    const { store, host } = this.#all;
    const subscription = await this.#readable(call);
    await store.registry.refresh();
    const [cursors, parts] = await Promise.all([store.cursors(subscription), store.parts(subscription)]);
    const showsLag = call.query("show_time_lag") === "true";
    const items = await statsOf(host.ports, store.topology(subscription.id), cursors, parts, showsLag);
    return jsonResponse({ items }, 200, call.flowId);
  }

  async #readable({ principal, param }: Call): Promise<Subscription> {
    const subscription = await this.#all.store.get(param("id"));
    authorizeReading(this.#all.store.registry, principal, subscription);
    return subscription;
  }

  async #administered({ principal, param }: Call): Promise<Subscription> {
    const subscription = await this.#all.store.get(param("id"));
    authorizeAdministering(this.#all.store.registry, principal, subscription);
    return subscription;
  }
}

/** As Nakadi's filter has it: `data_type:value`. */
function isReader({ authorization }: Subscription, reader: string): boolean {
  const [type, ...rest] = reader.split(":");
  const value = rest.join(":");
  return authorization?.readers.some((one) => one.data_type === type && one.value === value) ?? false;
}
