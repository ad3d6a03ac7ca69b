/** The door behind a real server and real sockets: slow, broken-off and oversized requests, keep-alive, pipelines. */
import { once } from "node:events";
import { type AddressInfo, connect, type Socket } from "node:net";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, test } from "vitest";
import { closeServer, listen } from "../../../adapters/http/listen.ts";
import { configSchema } from "../../../core/config.ts";
import { createDoor, declaration, type Door, event } from "./door.ts";

let door: Door;
let server: Awaited<ReturnType<typeof listen>>;
let port = 0;

beforeAll(async () => {
  door = await createDoor();
  await door.declare(declaration("t"));
  server = await listen(configSchema.parse({ port: 0 }), (request) => door.fetch(request));
  port = (server.address() as AddressInfo).port;
});
afterAll(() => closeServer(server));

function head(length: number | "chunked", more = ""): string {
  const framing = length === "chunked" ? "Transfer-Encoding: chunked" : `Content-Length: ${length}`;
  const common = `Host: x\r\nAuthorization: Bearer ${door.admin}\r\nContent-Type: application/json\r\n${more}`;
  return `POST /event-types/t/events HTTP/1.1\r\n${common}${framing}\r\n\r\n`;
}

async function opened(): Promise<Socket> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined); // a refused upload may be reset by the server
  await once(socket, "connect");
  return socket;
}

/** What the server says until `isEnough`, or until it closes. */
async function heard(socket: Socket, isEnough: (text: string) => boolean): Promise<string> {
  let text = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("data", (chunk: Buffer) => {
    text += chunk.toString();
    if (isEnough(text)) resolve();
  });
  socket.on("close", resolve);
  await promise;
  return text;
}

const usable = async (): Promise<number> =>
  (
    await fetch(`http://127.0.0.1:${port}/event-types/t/events`, {
      method: "POST",
      body: JSON.stringify([event()]),
      headers: { authorization: `Bearer ${door.admin}`, "content-type": "application/json" },
    })
  ).status;

test("a body in many pieces, and in chunks", async () => {
  const before = (await door.stored("t")).length;
  const body = JSON.stringify([event({ text: "ä".repeat(50) })]);
  const socket = await opened();
  const answer = heard(socket, (text) => (text.match(/HTTP\/1.1/g)?.length ?? 0) === 2);
  socket.write(head(Buffer.byteLength(body)));
  for (const byte of Buffer.from(body)) socket.write(Buffer.of(byte));
  socket.write(head("chunked"));
  for (const byte of Buffer.from(body))
    socket.write(Buffer.concat([Buffer.from("1\r\n"), Buffer.of(byte), Buffer.from("\r\n")]));
  socket.write("0\r\n\r\n");
  expect((await answer).match(/HTTP\/1.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 200"]);
  socket.destroy();
  expect((await door.stored("t")).length).toBe(before + 2);
});

test("requests one after the other without waiting for answers", async () => {
  const before = (await door.stored("t")).length;
  const socket = await opened();
  const answer = heard(socket, (text) => (text.match(/HTTP\/1.1/g)?.length ?? 0) === 10);
  for (let n = 0; n < 10; n++) {
    const body = JSON.stringify([event({ n })]);
    socket.write(head(body.length) + body);
  }
  expect((await answer).match(/HTTP\/1.1 \d+/g)).toEqual(Array(10).fill("HTTP/1.1 200"));
  socket.destroy();
  const stored = (await door.stored("t")).slice(before);
  expect(stored.map(({ payload }) => JSON.parse(payload).n)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

test("clients that go away while they send", async () => {
  const before = (await door.stored("t")).length;
  const body = JSON.stringify([event({ pad: "x".repeat(100_000) })]);
  const zipped = gzipSync(body);
  for (let n = 0; n < 20; n++) {
    const socket = await opened();
    const isZipped = n % 2 === 1;
    const sent = isZipped ? zipped : Buffer.from(body);
    socket.write(head(sent.length, isZipped ? "Content-Encoding: gzip\r\n" : ""));
    socket.write(sent.subarray(0, Math.floor((sent.length * n) / 20)));
    await new Promise((resolve) => setTimeout(resolve, n % 3));
    socket.destroy();
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(await usable()).toBe(200);
  expect((await door.stored("t")).length).toBe(before + 1);
  expect(door.lines.filter((line) => line.includes('"error"'))).toEqual([]);
});

test.each([
  ["announced", () => head(100_000_000)],
  ["in chunks", () => `${head("chunked")}${`10000\r\n${" ".repeat(65_536)}\r\n`.repeat(140)}`],
])("a body of more than 8 MiB, %s, is refused without being kept", async (_name, sent) => {
  const socket = await opened();
  const answer = heard(socket, (text) => text.includes("request.too_large"));
  socket.write(sent());
  expect(await answer).toMatch(/^HTTP\/1.1 413/);
  socket.destroy();
  expect(await usable()).toBe(200);
});

test("no token: refused before the body is read", async () => {
  const socket = await opened();
  const answer = heard(socket, (text) => text.includes("auth.missing"));
  socket.write(head(5_000_000).replace(/Authorization.*\r\n/, ""));
  expect(await answer).toMatch(/^HTTP\/1.1 401/);
  socket.destroy();
});

test("100 clients at once", async () => {
  const before = (await door.stored("t")).length;
  const statuses = await Promise.all(Array.from({ length: 100 }, usable));
  expect(statuses).toEqual(Array(100).fill(200));
  expect((await door.stored("t")).length).toBe(before + 100);
});
