/**
 * A relay in front of a real S3 server that answers as such servers do on a bad day: 503 before or after the request
 * was carried out, 409, an error inside of 200. What TCP does to requests is Toxiproxy's part.
 */
import { createServer, request as sendOn, type IncomingMessage, type ServerResponse } from "node:http";

export interface Mood {
  readonly status: number;
  readonly body: string;
  /** Whether the server behind gets the request all the same. */
  readonly isCarriedOut: boolean;
}

export const SLOW_DOWN = "<Error><Code>SlowDown</Code></Error>";
export const CONFLICT = "<Error><Code>ConditionalRequestConflict</Code></Error>";
export const INTERNAL = "<Error><Code>InternalError</Code></Error>";

export interface MoodyRelay {
  readonly url: string;
  /** Requests so far, as `METHOD /path?query`. */
  readonly seen: readonly string[];
  /** Decides on each request; undefined lets it through. */
  mood: (request: string) => Mood | undefined;
  stop(): Promise<void>;
}

/** @param upstream address of the server behind; it sees the relay's host, as signatures want */
export async function startMoodyRelay(upstream: string): Promise<MoodyRelay> {
  const { hostname, port } = new URL(upstream);
  const seen: string[] = [];
  const forward = (from: IncomingMessage, answer: (to: IncomingMessage) => void): void => {
    const { method, url, headers } = from;
    const to = sendOn({ hostname, port, method, path: url, headers }, answer);
    from.pipe(to);
  };
  const handle = (from: IncomingMessage, to: ServerResponse): void => {
    const name = `${from.method} ${from.url}`;
    seen.push(name);
    const mood = relay.mood(name);
    const say = (): void =>
      void to.writeHead(mood!.status, { "content-type": "application/xml" }).end(mood!.body);
    if (mood === undefined)
      forward(from, (real) => {
        to.writeHead(real.statusCode!, real.headers);
        real.pipe(to);
      });
    else if (mood.isCarriedOut)
      forward(from, (real) => {
        real.resume();
        real.once("end", say);
      });
    else {
      from.resume();
      from.once("end", say);
    }
  };
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const own = typeof address === "object" && address ? address.port : 0;
  const relay: MoodyRelay = {
    url: `http://127.0.0.1:${own}`,
    seen,
    mood: () => undefined,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return relay;
}
