/** The way out, against real servers on this machine that count who reached them. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http, { type RequestListener } from "node:http";
import https from "node:https";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { afterEach, describe, expect, test } from "vitest";
import { createOutgoing, type OutgoingOptions } from "../../../adapters/http/outgoing.ts";
import type { ErrorCode } from "../../../core/errors.ts";
import type { Outgoing, OutgoingStream } from "../../../core/ports/outgoing.ts";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

interface Peer {
  readonly port: number;
  /** `METHOD /path host` of each request, and how many connections were made. */
  readonly seen: string[];
  readonly connections: () => number;
}

async function startPeer(answer: RequestListener, tls?: https.ServerOptions): Promise<Peer> {
  const seen: string[] = [];
  let connections = 0;
  const listener: RequestListener = (request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.host}`);
    answer(request, response);
  };
  const server = tls ? https.createServer(tls, listener) : http.createServer(listener);
  server.on("connection", () => connections++);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, seen, connections: () => connections };
}

function outgoing(allow: readonly string[] = [], more: Partial<OutgoingOptions> = {}): Outgoing {
  const made = createOutgoing({ allow, ...more });
  closers.push(() => made.close());
  return made;
}

const hello: RequestListener = (_, response) => void response.end("hello");
const get = (url: string) => ({ method: "GET", url }) as const;
const loopback = async (): Promise<string[]> => ["127.0.0.1"];
const read = async (stream: Promise<OutgoingStream>): Promise<void> => {
  for await (const chunk of (await stream).chunks) if (chunk[0] !== 120) throw new Error("?");
};
const refusal = (code: ErrorCode) => expect.objectContaining({ code });

describe("where requests may go", () => {
  test("not to this machine or a private network, however the address is written", async () => {
    const peer = await startPeer(hello);
    const out = outgoing();
    const hosts =
      "127.0.0.1 127.1 2130706433 0x7f000001 017700000001 0.0.0.0 10.1.2.3 100.64.0.1 169.254.169.254 [::1]";
    for (const host of [
      ...hosts.split(" "),
      "[::ffff:127.0.0.1]",
      "[fd00:ec2::254]",
      "localhost",
      "LOCALHOST.",
    ])
      for (const port of [80, peer.port])
        await expect(out.send(get(`http://${host}:${port}/`)), `${host}:${port}`).rejects.toEqual(
          refusal("outgoing.refused"),
        );
    expect(peer.connections()).toBe(0);
  });

  test("not to another scheme, with a password, or to a port that nobody listed", async () => {
    const out = outgoing([], { resolve: async () => ["8.8.8.8"] });
    const urls = ["file://a.test/", "ftp://a.test/", "gopher://a.test/", "/x", "http://u:p@a.test/"];
    for (const url of [
      ...urls,
      "http://a.test:22/",
      "https://a.test:8443/",
      `http://a.test/${"x".repeat(3_000)}`,
    ])
      await expect(out.send(get(url)), url).rejects.toEqual(refusal("outgoing.refused"));
  });

  test("a name with one private address among public ones is refused, and an error shows no path", async () => {
    const out = outgoing([], { resolve: async () => ["8.8.8.8", "10.0.0.1"] });
    const error = await out.send(get("https://a.test/secret?token=1")).catch(String);
    expect(error).toContain("https://a.test");
    expect(error).not.toContain("secret");
  });

  test("what is listed is reached, by its port where one is given", async () => {
    const peer = await startPeer(hello);
    const url = `http://localhost:${peer.port}/a?b=1`;
    for (const entry of ["localhost", "LOCALHOST", `localhost:${peer.port}`]) {
      const { status, body } = await outgoing([entry], { resolve: loopback }).send(get(url));
      expect([status, new TextDecoder().decode(body)]).toEqual([200, "hello"]);
    }
    expect(peer.seen).toEqual(Array(3).fill(`GET /a?b=1 localhost:${peer.port}`));
    for (const entry of [`localhost:${peer.port + 1}`, "127.0.0.1", "localhost.test"])
      await expect(outgoing([entry]).send(get(url))).rejects.toEqual(refusal("outgoing.refused"));
  });

  test("a name is resolved once: the address that was checked is dialled (DNS rebinding)", async () => {
    const peer = await startPeer(hello);
    let asked = 0;
    // Public when it is checked, ours when it is asked for again.
    const resolve = async (): Promise<string[]> => (asked++ === 0 ? ["192.88.99.1"] : ["127.0.0.1"]);
    const flipping = outgoing([`rebind.test:${peer.port}`], { resolve });
    const request = { ...get(`http://rebind.test:${peer.port}/`), timeoutMs: 300 };
    await expect(flipping.send(request)).rejects.toEqual(refusal("outgoing.unreachable"));
    expect([asked, peer.connections()]).toEqual([1, 0]);
  });

  test("the next address of a name is tried where nothing answers at the first", async () => {
    const peer = await startPeer(hello);
    const out = outgoing(["two.test"], { resolve: async () => ["127.0.0.2", "127.0.0.1"] });
    expect((await out.send(get(`http://two.test:${peer.port}/`))).status).toBe(200);
  });

  test("redirects are refused, not followed", async () => {
    const inner = await startPeer(hello);
    for (const status of [301, 302, 303, 307, 308]) {
      const peer = await startPeer((_, response) => {
        response.writeHead(status, { location: `http://127.0.0.1:${inner.port}/` }).end();
      });
      const out = outgoing([`127.0.0.1:${peer.port}`, `127.0.0.1:${inner.port}`]);
      await expect(out.send(get(`http://127.0.0.1:${peer.port}/`))).rejects.toEqual(
        refusal("outgoing.refused"),
      );
    }
    expect(inner.seen).toEqual([]);
  });
});

describe("bounds", () => {
  test("an answer longer than allowed is refused at its edge, announced or not", async () => {
    const peer = await startPeer((request, response) => {
      if (request.url === "/announced") response.setHeader("content-length", "1000");
      response.write(Buffer.alloc(500));
      response.end(Buffer.alloc(500));
    });
    const out = outgoing(["127.0.0.1"]);
    for (const route of ["announced", "chunked"]) {
      const request = get(`http://127.0.0.1:${peer.port}/${route}`);
      expect((await out.send({ ...request, answerBytes: 1_000 })).body.length).toBe(1_000);
      await expect(out.send({ ...request, answerBytes: 999 })).rejects.toEqual(refusal("outgoing.too_large"));
    }
  });

  test("a silent or dribbling peer is given up, also while it sends its body", async () => {
    const peer = await startPeer((request, response) => {
      if (request.url === "/silent") return;
      response.write("x");
      const timer = setInterval(() => response.write("x"), 20);
      response.on("close", () => clearInterval(timer));
    });
    const out = outgoing(["127.0.0.1"]);
    for (const route of ["silent", "dribble"])
      await expect(
        out.send({ ...get(`http://127.0.0.1:${peer.port}/${route}`), timeoutMs: 200 }),
      ).rejects.toEqual(refusal("outgoing.failed"));
  });

  test("a resolver that never answers is given up", async () => {
    const out = outgoing([], { resolve: () => new Promise(() => undefined) });
    const request = { ...get("http://a.test/"), timeoutMs: 100 };
    await expect(out.send(request)).rejects.toEqual(refusal("outgoing.unreachable"));
  });

  test("a body arrives whole, and headers that are ours stay ours", async () => {
    const bodies: string[] = [];
    const peer = await startPeer((request, response) => {
      let length = 0;
      request.on("data", (chunk: Buffer) => (length += chunk.length));
      request.on("end", () => {
        bodies.push(JSON.stringify([request.headers["content-length"], request.headers["x-a"], length]));
        response.writeHead(404, { "x-b": "2" }).end("no");
      });
    });
    const answer = await outgoing(["127.0.0.1"]).send({
      method: "POST",
      url: `http://127.0.0.1:${peer.port}/hook`,
      headers: { "x-a": "1", Host: "evil.test", "content-length": "3", "transfer-encoding": "chunked" },
      body: new Uint8Array(100_000).fill(97),
    });
    expect([answer.status, answer.headers.get("x-b"), bodies]).toEqual([404, "2", ['["100000","1",100000]']]);
    expect(peer.seen).toEqual([`POST /hook 127.0.0.1:${peer.port}`]);
  });
});

describe("answers without an end", () => {
  test("come chunk by chunk, and end when the reader leaves", async () => {
    let closed = 0;
    const peer = await startPeer((_, response) => {
      let n = 0;
      const timer = setInterval(() => response.write(`${n++}\n`), 5);
      response.on("close", () => {
        closed++;
        clearInterval(timer);
      });
    });
    const { chunks } = await outgoing(["127.0.0.1"]).open(get(`http://127.0.0.1:${peer.port}/`));
    let text = "";
    for await (const chunk of chunks) if ((text += new TextDecoder().decode(chunk)).length > 20) break;
    expect(text).toMatch(/^0\n1\n2\n/);
    await expect.poll(() => closed, { timeout: 10_000 }).toBe(1);
  });

  test("are given up after a silence, or when the caller says so", async () => {
    const peer = await startPeer((_, response) => void response.write("x"));
    const out = outgoing(["127.0.0.1"]);
    const abort = new AbortController();
    const request = get(`http://127.0.0.1:${peer.port}/`);
    await expect(read(out.open({ ...request, idleMs: 100 }))).rejects.toEqual(refusal("outgoing.failed"));
    const reading = read(out.open({ ...request, signal: abort.signal }));
    setTimeout(() => abort.abort(), 50);
    await expect(reading).rejects.toEqual(refusal("outgoing.failed"));
  });
});

test("TLS is checked against the name, though the address is dialled", async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), "muara-tls-"));
  closers.push(() => rmSync(folder, { recursive: true }));
  const [key, cert] = ["key.pem", "cert.pem"].map((name) => path.join(folder, name)) as [string, string];
  const subject = ["-subj", "/CN=peer.test", "-addext", "subjectAltName=DNS:peer.test"];
  const made = [
    "req",
    "-x509",
    "-newkey",
    "ec",
    "-pkeyopt",
    "ec_paramgen_curve:P-256",
    "-nodes",
    "-days",
    "2",
  ];
  execFileSync("openssl", [...made, "-keyout", key, "-out", cert, ...subject], { stdio: "ignore" });
  const authority = readFileSync(cert, "utf8");
  const peer = await startPeer(hello, { key: readFileSync(key), cert: authority });
  const resolve = loopback;
  const allow = ["peer.test", "other.test", "127.0.0.1"];
  const trusting = outgoing(allow, { resolve, authorities: [authority] });
  const url = (host: string): string => `https://${host}:${peer.port}/`;
  expect((await trusting.send(get(url("peer.test")))).status).toBe(200);
  for (const host of ["other.test", "127.0.0.1"])
    await expect(trusting.send(get(url(host)))).rejects.toEqual(refusal("outgoing.unreachable"));
  await expect(outgoing(allow, { resolve }).send(get(url("peer.test")))).rejects.toEqual(
    refusal("outgoing.unreachable"),
  );
  expect(peer.seen).toEqual([`GET / peer.test:${peer.port}`]);
});
