/** An HTTP server of Node with an asynchronous handler. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

/** Not listening yet. What the handler throws fails the test run, but for a client that broke off. */
export function handlingServer(
  handle: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Server {
  return createServer((request, response) => {
    handle(request, response).catch((error: unknown) => {
      if ((error as { code?: string }).code !== "ECONNRESET") throw error;
    });
  });
}
