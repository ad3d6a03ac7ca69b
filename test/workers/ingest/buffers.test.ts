/** Bodies and batches lie in buffers that are used again: each is overwritten when it is given back. */
import { mkdtemp, rm } from "node:fs/promises";
import { connect, type AddressInfo } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, expect, test } from "vitest";
import { closeServer, listen } from "../../../adapters/http/listen.ts";
import { openFileLog } from "../../../adapters/file/log.ts";
import { BytePool } from "../../../core/byte-pool.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { configSchema } from "../../../core/config.ts";
import { silentLogger } from "../../../core/logger.ts";
import type { Log } from "../../../core/ports/log.ts";
import { diskError, hookedDisk, quickDisk, quickRoot } from "../../adapters/file/log-disks.ts";
import { createDoor, declaration, type Door, event, NOW_MS } from "./door.ts";

const CLIENTS = 8;
const REQUESTS = 12;

const root = await mkdtemp(join(quickRoot, "muara-door-buffers-"));
afterAll(() => rm(root, { recursive: true }));

let directories = 0;
let given = 0;
let isFull = false;
let log: Log;
let door: Door;
let server: Awaited<ReturnType<typeof listen>>;
let port = 0;

beforeEach(async () => {
  const clock = new ManualClock(NOW_MS);
  const disk = hookedDisk({
    // Requests wait for it beside each other.
    datasync: () => new Promise((resolve) => setTimeout(resolve, 3)),
    write: (fd, source, position) =>
      isFull ? Promise.reject(diskError("ENOSPC")) : quickDisk.write(fd, source, position),
  });
  const directory = join(root, `${directories++}`);
  const randomness = seededRandomness(3);
  log = await openFileLog({ directory, clock, logger: silentLogger, randomness, disk, onFatal: () => {} });
  const onGiven = (bytes: Uint8Array): void => {
    given++;
    bytes.fill(0xdb);
  };
  door = await createDoor({ log, clock, buffers: new BytePool({ onGiven }) });
  const two = { default_statistic: { read_parallelism: 2, write_parallelism: 2 } };
  expect((await door.declare(declaration("t", two))).status).toBe(201);
  server = await listen(configSchema.parse({ port: 0 }), (request) => door.fetch(request));
  port = (server.address() as AddressInfo).port;
  given = 0;
});
afterEach(async () => {
  isFull = false;
  await closeServer(server);
  await log.close();
});

async function post(body: string): Promise<number> {
  const headers = { authorization: `Bearer ${door.admin}`, "content-type": "application/json" };
  const url = `http://127.0.0.1:${port}/event-types/t/events`;
  const answer = await fetch(url, { method: "POST", body, headers });
  await answer.text();
  return answer.status;
}

/** Events of 40 to 800 KB together, none like another. */
function batch(client: number, request: number): string[] {
  const random = seededRandomness(client * 100 + request);
  const count = 100 + ((client * 7 + request * 31) % 20) * 100;
  return Array.from({ length: count }, () => JSON.stringify(event({ pad: random.uuid().repeat(8) })));
}

test("what is stored is what was sent, beside others that are sent, refused or broken off", async () => {
  const sent: string[] = [];
  const refusals: number[] = [];
  const client = async (number: number): Promise<void> => {
    for (let request = 0; request < REQUESTS; request++) {
      const events = batch(number, request);
      if (request % 4 === 3) {
        refusals.push(await post(`[${events.join(",")}`));
        const socket = connect(port, "127.0.0.1");
        const head = `POST /event-types/t/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${door.admin}\r\n`;
        socket.write(
          `${head}Content-Type: application/json\r\nContent-Length: 500000\r\n\r\n[${events[0]!},`,
        );
        setTimeout(() => socket.destroy(), 5);
      }
      expect(await post(`[${events.join(",")}]`)).toBe(200);
      sent.push(...events);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number)));
  const stored = (await door.stored("t")).map(({ payload, header }) => {
    expect(header["flow_id"]).toBeTypeOf("string");
    return payload;
  });
  expect(stored.sort()).toEqual(sent.sort());
  expect(refusals).toEqual(Array((CLIENTS * REQUESTS) / 4).fill(400));
  // The body of each request that was stored, and its batches but for small ones.
  expect(given).toBeGreaterThan(CLIENTS * REQUESTS);
});

test("what was not stored is not given back: nobody knows who still has it", async () => {
  const body = `[${batch(1, 1).join(",")}]`;
  isFull = true;
  expect(await post(body)).toBe(507);
  expect(given).toBe(0);
  isFull = false;
  expect(await post(body)).toBe(200);
  expect(given).toBeGreaterThan(0);
});
