/** The server under clients that keep their connections: what is refused unread must not cost a later request. */
import { expect, test } from "vitest";
import { closeServer, listen } from "../../../adapters/http/listen.ts";
import { configSchema } from "../../../core/config.ts";

const ROUNDS = 8;
/** The library under the server cuts a connection this long after an answer. */
const CUT_MS = 500;

test("a request that is refused before its body is read leaves the connection to those after it", async () => {
  const server = await listen(configSchema.parse({ port: 0 }), async (request) => {
    // A stream is made of the body, as by whoever looks whether there is one, and then left alone.
    if (request.url.endsWith("/refused")) return new Response(null, { status: request.body ? 413 : 500 });
    await request.text();
    await new Promise((resolve) => setTimeout(resolve, 20));
    return new Response("fine");
  });
  try {
    const address = server.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address!.port : 0}`;
    const post = async (path: string, body: string): Promise<number> => {
      const response = await fetch(`${url}${path}`, { method: "POST", body });
      await response.text();
      return response.status;
    };
    for (let round = 0; round < ROUNDS; round++) {
      expect(await post("/refused", "x".repeat(200_000))).toBe(413);
      const endMs = performance.now() + CUT_MS + 100;
      while (performance.now() < endMs) expect(await post("/", "{}")).toBe(200);
    }
  } finally {
    await closeServer(server);
  }
});
