/** Event types, subscriptions, streams and commits in few words, for tests that are about what comes of them. */
import { expect } from "vitest";
import { declaration, type Door, event } from "./door.ts";
import { call, Client, type Cursor, passed } from "./nakadi.ts";

let names = 0;

export class Consumers {
  readonly door: Door;

  constructor(door: Door) {
    this.door = door;
  }

  /** @returns its name */
  async type(partitions = 1, more: Record<string, unknown> = {}): Promise<string> {
    const name = `consumed.type-${++names}`;
    const default_statistic = { read_parallelism: partitions, write_parallelism: partitions };
    const response = await this.door.declare(
      declaration(name, { default_statistic, partition_strategy: "user_defined", ...more }),
    );
    expect(response.status, await response.text()).toBe(201);
    return name;
  }

  /** Events with `number` from `from` on, one request. */
  async publish(name: string, count: number, from = 0, partition = 0): Promise<void> {
    const events = Array.from({ length: count }, (_, i) =>
      event({ number: from + i }, { partition: String(partition) }),
    );
    const response = await passed(this.door.clock, this.door.publish(name, JSON.stringify(events)));
    expect(response.status, await response.text()).toBe(200);
  }

  /** @returns its id */
  async subscription(names_: readonly string[], more: Record<string, unknown> = {}): Promise<string> {
    const body = { owning_application: "shop", event_types: names_, read_from: "begin", ...more };
    const response = await call(this.door, "POST", "/subscriptions", body);
    expect(response.status, await response.clone().text()).toBe(201);
    return ((await response.json()) as { id: string }).id;
  }

  /** @param body with it the stream is asked for by POST */
  async stream(
    id: string,
    query = "",
    { door = this.door, body, token }: { door?: Door; body?: unknown; token?: string } = {},
  ): Promise<Client> {
    const response = await this.ask(id, query, { door, body, token });
    expect(response.status, response.status === 200 ? "" : await response.text()).toBe(200);
    expect(response.headers.get("x-nakadi-streamid")).toMatch(/^[0-9a-f-]{36}$/);
    return new Client(response, door.clock);
  }

  ask(
    id: string,
    query = "",
    { door = this.door, body, token }: { door?: Door; body?: unknown; token?: string | undefined } = {},
  ): Promise<Response> {
    const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const path = `/subscriptions/${id}/events?${query}`;
    return passed(door.clock, call(door, body === undefined ? "GET" : "POST", path, body, headers));
  }

  async commit(
    id: string,
    streamId: string,
    cursors: readonly Cursor[],
    door: Door = this.door,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const headers = { "x-nakadi-streamid": streamId };
    const response = await passed(
      door.clock,
      call(door, "POST", `/subscriptions/${id}/cursors`, { items: cursors }, headers),
    );
    const text = await response.text();
    return { status: response.status, body: text === "" ? undefined : JSON.parse(text) };
  }

  /** Commits the newest batch with events of a client. */
  async commitLast(id: string, client: Client): Promise<void> {
    const { status } = await this.commit(id, client.streamId, [client.full.at(-1)!.cursor]);
    expect(status).toBe(204);
  }

  /** By partition the offset, of a subscription to one event type. */
  async cursors(id: string, door: Door = this.door): Promise<Record<string, string>> {
    const response = await call(door, "GET", `/subscriptions/${id}/cursors`);
    expect(response.status).toBe(200);
    const { items } = (await response.json()) as { items: readonly Cursor[] };
    return Object.fromEntries(items.map(({ partition, offset }) => [partition, offset]));
  }

  async stats(id: string, query = "", door: Door = this.door): Promise<readonly TypeStats[]> {
    const response = await call(door, "GET", `/subscriptions/${id}/stats?${query}`);
    expect(response.status).toBe(200);
    return ((await response.json()) as { items: readonly TypeStats[] }).items;
  }

  /** Whether no stream has a partition. */
  async isIdle(id: string): Promise<boolean> {
    const stats = await this.stats(id);
    return stats.every(({ partitions }) => partitions.every(({ state }) => state === "unassigned"));
  }

  /** By stream id the partitions that it has, of a subscription to one event type. */
  async shares(id: string, door: Door = this.door): Promise<Record<string, string[]>> {
    const shares: Record<string, string[]> = {};
    for (const { partitions } of await this.stats(id, "", door))
      for (const { partition, stream_id, state } of partitions)
        if (state === "assigned") (shares[stream_id] ??= []).push(partition);
    return shares;
  }
}

export interface TypeStats {
  readonly event_type: string;
  readonly partitions: readonly {
    readonly partition: string;
    readonly state: string;
    readonly stream_id: string;
    readonly assignment_type?: string;
    readonly unconsumed_events: number;
    readonly consumer_lag_seconds?: number;
  }[];
}
