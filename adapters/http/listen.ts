/** The HTTP server of a process: within the limits of the configuration, and closed without waiting for the idle. */
import { createAdaptorServer, type HttpBindings, type ServerType } from "@hono/node-server";
import type { Config } from "../../core/config.ts";
import { MuaraError } from "../../core/errors.ts";
import { HANG_UP_HEADER } from "../../core/http.ts";
import { offerBody } from "../../core/http-body.ts";
import { copyBody } from "./copy-body.ts";

/** How long connections may take to close once everything else is. */
const CLOSE_MS = 500;
/** Turns after which the library waits for the end of a body, if it ever does. */
const END_TURNS = 4;

export type Fetch = (request: Request) => Response | Promise<Response>;

/** @throws config.invalid where the port is taken, or none can be had */
export function listen(config: Config, handle: Fetch): Promise<ServerType> {
  const { headerBytes, requestMs, connections } = config.limits;
  const server = createAdaptorServer({
    fetch: (request, bindings) => {
      readOut(bindings as HttpBindings);
      const { incoming } = bindings as HttpBindings;
      if (incoming.method === "POST") offerBody(request, (target) => copyBody(incoming, target));
      return hangUp(handle(request), bindings as HttpBindings);
    },
    overrideGlobalObjects: false,
    serverOptions: {
      maxHeaderSize: headerBytes,
      requestTimeout: requestMs,
      headersTimeout: Math.min(requestMs, 10_000),
    },
  });
  if ("maxConnections" in server) server.maxConnections = connections;
  return new Promise((done, fail) => {
    server.once("error", (cause: NodeJS.ErrnoException) => {
      const isTaken = cause.code === "EADDRINUSE";
      const problem = isTaken
        ? `port ${config.port} on ${config.host} is taken; stop what listens there or choose another with --port`
        : `cannot listen on ${config.host}:${config.port}: ${cause.message}`;
      fail(new MuaraError("config.invalid", problem, { details: { key: "port" }, cause }));
    });
    server.listen(config.port, config.host, () => done(server));
  });
}

/**
 * Reads what is left of a body once the answer is out. The server's library does so, too, and cuts the connection, in
 * the middle of a later request, where the end has not come within half a second: it never comes where a stream that
 * was made of the body and then left alone holds it back, and not for the library where it came between its look at
 * the body and its waiting.
 */
function readOut({ incoming, outgoing }: HttpBindings): void {
  if (incoming.method === "GET" || incoming.method === "HEAD") return;
  outgoing.once("close", () => {
    if (incoming.readableEnded || incoming.destroyed) return;
    const turn = (turns: number): void =>
      void setTimeout(() => (turns === 0 ? incoming.emit("end") : turn(turns - 1)));
    incoming.once("end", () => turn(END_TURNS));
    incoming.removeAllListeners("data");
    incoming.resume();
  });
}

/** Node closes a connection after an answer that is not to be kept alive; it says so unless the header was removed. */
async function hangUp(answer: Response | Promise<Response>, { outgoing }: HttpBindings): Promise<Response> {
  const response = await answer;
  if (!response.headers.has(HANG_UP_HEADER)) return response;
  response.headers.delete(HANG_UP_HEADER);
  outgoing.shouldKeepAlive = false;
  outgoing.removeHeader("connection");
  return response;
}

export function closeServer(server: ServerType): Promise<void> {
  return new Promise((done) => {
    server.close(() => done());
    // Answers under way may finish; idle connections are cut now, stuck ones later.
    if ("closeIdleConnections" in server) server.closeIdleConnections();
    const cut = (): void => void ("closeAllConnections" in server && server.closeAllConnections());
    setTimeout(cut, CLOSE_MS).unref();
  });
}
