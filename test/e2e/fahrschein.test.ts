/** Fahrschein 0.24.0 (Java), unchanged, against a running Muara: only the address and the token are ours. */
import { connect, createServer, type Socket } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { compileFahrschein, type Fahrschein, type JavaProcess } from "../services/java.ts";
import { eventually, type MuaraProcess, startMuara, temporaryFolder } from "../services/muara.ts";

const TIMEOUT_MS = 240_000;
const WAIT_MS = 120_000;

/** The address that clients know; what is behind it can be cut off and can move. */
interface Relay {
  readonly url: string;
  upstream: string;
  /** Resets every connection that is open. */
  cut(): void;
  stop(): Promise<void>;
}

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let muara: MuaraProcess;
let relay: Relay;
let fahrschein: Fahrschein;
beforeAll(async () => {
  folder = await temporaryFolder("fahrschein");
  muara = await startMuara(folder.path);
  relay = await startRelay(muara.url);
  fahrschein = await compileFahrschein();
}, TIMEOUT_MS);
afterAll(async () => {
  await fahrschein?.stop();
  await relay?.stop();
  await muara?.stop();
  await folder?.remove();
});

async function startRelay(upstream: string): Promise<Relay> {
  const open = new Set<Socket>();
  const server = createServer((from) => {
    const to = connect(Number(new URL(relayed.upstream).port), "127.0.0.1");
    for (const [socket, other] of [[from, to] as const, [to, from] as const]) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
    from.pipe(to);
    to.pipe(from);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const relayed: Relay = {
    url: `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`,
    upstream,
    cut: () => {
      for (const socket of open) socket.resetAndDestroy();
    },
    stop: async () => {
      relayed.cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return relayed;
}

async function declare(name: string, strategy: "random" | "user_defined"): Promise<void> {
  const schema = {
    type: "object",
    properties: { number: { type: "integer", minimum: 0 } },
    required: ["number"],
  };
  const body = {
    name,
    owning_application: "shop",
    category: "business",
    partition_strategy: strategy,
    enrichment_strategies: ["metadata_enrichment"],
    default_statistic: {
      messages_per_minute: 1,
      message_size: 1,
      read_parallelism: 2,
      write_parallelism: 2,
    },
    schema: { type: "json_schema", schema: JSON.stringify(schema) },
  };
  const response = await muara.fetch("/event-types", { method: "POST", body: JSON.stringify(body) });
  expect(response.status, await response.text()).toBe(201);
}

test(
  "publishes (gzipped, too), is refused event by event, subscribes, reads and commits",
  async () => {
    const name = "fahrschein.order";
    await declare(name, "random");
    const client = fahrschein.start("journey", relay.url, muara.token, name);
    expect(await client.ended, client.log()).toBe(0);
    const [found] = client.said;
    expect(found).toEqual({
      refused: [
        ["aborted", "none", 36],
        ["failed", "validating", 36],
      ],
      why: expect.stringContaining("number"),
      unknown: {
        status: 404,
        title: "Event type not found",
        detail: expect.stringContaining("fahrschein.unknown"),
      },
      stranger: 401,
      partitions: ["0", "1"],
      same: true,
      id: expect.any(String),
      numbers: [...Array(20).keys()],
      enriched: [[name, "1.0.0", true]],
    });
    // It commits each batch but the last one, whose listener did not return.
    expect(await unconsumed(String(found!["id"]))).toBeLessThanOrEqual(4);
    expect(await unconsumed(String(found!["id"]))).toBeGreaterThan(0);
  },
  TIMEOUT_MS,
);

function logsOf(...clients: readonly JavaProcess[]): string {
  return clients.map(({ log }) => log()).join("\n");
}

interface PartitionStats {
  readonly state: string;
  readonly stream_id: string;
  readonly unconsumed_events: number;
}

async function partitionsOf(id: string): Promise<readonly PartitionStats[]> {
  const response = await muara.fetch(`/subscriptions/${id}/stats`);
  const { items } = (await response.json()) as { items: { partitions: PartitionStats[] }[] };
  return items.flatMap(({ partitions }) => partitions);
}

async function unconsumed(id: string): Promise<number> {
  const partitions = await partitionsOf(id);
  return partitions.reduce((sum, { unconsumed_events: events }) => sum + events, 0);
}

/** How many streams have all partitions between them. */
async function streamsOf(id: string): Promise<number> {
  const partitions = await partitionsOf(id);
  if (partitions.some(({ state }) => state !== "assigned")) return 0;
  return new Set(partitions.map(({ stream_id: stream }) => stream)).size;
}

function numbersOf({ said }: JavaProcess): number[] {
  return said.flatMap(({ numbers }) => (numbers as number[] | undefined) ?? []).toSorted((a, b) => a - b);
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

test(
  "two share the partitions; one that dies leaves them to the other, which comes back when it is cut off",
  async () => {
    const name = "fahrschein.shared";
    await declare(name, "user_defined");
    const publish = async (from: number, to: number): Promise<void> => {
      const events = range(from, to).map((number) => ({
        metadata: {
          eid: `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`,
          occurred_at: "2026-03-01T12:00:00Z",
          partition: String(number % 2),
        },
        number,
      }));
      const body = JSON.stringify(events);
      const response = await muara.fetch(`/event-types/${name}/events`, { method: "POST", body });
      expect(response.status, await response.text()).toBe(200);
    };
    const consume = (): JavaProcess => fahrschein.start("consume", relay.url, muara.token, name);

    const [a, b] = [consume(), consume()];
    await eventually("both have said their subscription", WAIT_MS, async () => {
      return a.said.length > 0 && b.said.length > 0;
    });
    const id = String(a.said[0]!["id"]);
    expect(b.said[0], logsOf(a, b)).toEqual({ id });
    await eventually("two streams", WAIT_MS, async () => (await streamsOf(id)) === 2);
    await publish(0, 20);
    await eventually("all is committed", WAIT_MS, async () => (await unconsumed(id)) === 0);
    const isEven = numbersOf(a)[0] === 0;
    const ofParity = (parity: number): number[] => range(0, 20).filter((one) => one % 2 === parity);
    expect([numbersOf(a), numbersOf(b)], logsOf(a, b)).toEqual([
      ofParity(isEven ? 0 : 1),
      ofParity(isEven ? 1 : 0),
    ]);

    await b.kill();
    await eventually("one stream has both", WAIT_MS, async () => (await streamsOf(id)) === 1);
    await publish(20, 40);
    await eventually("all is committed", WAIT_MS, async () => (await unconsumed(id)) === 0);
    // Nothing was open when the other died, so nothing comes twice.
    expect(numbersOf(a).filter((one) => one >= 20)).toEqual(range(20, 40));

    const reconnections = (): number => a.said.filter(({ reconnected }) => reconnected).length;
    relay.cut();
    await eventually("it is back", WAIT_MS, async () => reconnections() > 0 && (await streamsOf(id)) === 1);
    await publish(40, 60);
    await eventually("all is committed", WAIT_MS, async () => (await unconsumed(id)) === 0);

    const before = reconnections();
    await muara.kill();
    muara = await startMuara(folder.path);
    relay.upstream = muara.url;
    await publish(60, 80);
    await eventually("it is back after the restart", WAIT_MS, async () => reconnections() > before);
    await eventually("all is committed", WAIT_MS, async () => (await unconsumed(id)) === 0);
    expect(
      [...new Set(numbersOf(a))].filter((one) => one >= 20),
      logsOf(a),
    ).toEqual(range(20, 80));
  },
  TIMEOUT_MS,
);
