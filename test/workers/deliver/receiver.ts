/** A receiver of webhooks: an HTTP server that checks each signature and says what the test has it say. */
import { createHmac } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createOutgoing } from "../../../adapters/http/outgoing.ts";
import type { Outgoing } from "../../../core/ports/outgoing.ts";
import { handlingServer } from "../../services/handling-server.ts";

export interface Received {
  readonly id: string;
  readonly key: string | undefined;
  readonly rows: readonly Readonly<Record<string, unknown>>[];
  readonly sequence: number;
  readonly text: string;
  readonly atMs: number;
}

export interface Receiver {
  readonly url: string;
  readonly outgoing: Outgoing;
  /** Every request with a good signature, whatever was answered. */
  readonly received: Received[];
  readonly badSignatures: string[];
  answer: (
    received: Received,
  ) => { status: number; headers?: Record<string, string>; body?: string } | "hang up";
  stop(): Promise<void>;
}

/** @param secret base64 */
export async function startReceiver(secret: string): Promise<Receiver> {
  const received: Received[] = [];
  const badSignatures: string[] = [];
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const { headers } = request;
    const id = String(headers["webhook-id"]);
    const signed = `${id}.${String(headers["webhook-timestamp"])}.${text}`;
    const expected = createHmac("sha256", Buffer.from(secret, "base64")).update(signed).digest("base64");
    if (headers["webhook-signature"] !== `v1,${expected}`) badSignatures.push(id);
    const { data } = JSON.parse(text) as { data: { rows: Record<string, unknown>[]; sequence: number } };
    const one = {
      id,
      key: headers["idempotency-key"] as string | undefined,
      rows: data.rows,
      sequence: data.sequence,
      text,
      atMs: performance.now(),
    };
    received.push(one);
    const answer = it.answer(one);
    if (answer === "hang up") request.socket.destroy();
    else response.writeHead(answer.status, answer.headers).end(answer.body);
  };
  const server = handlingServer(handle);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const outgoing = createOutgoing({ allow: ["127.0.0.1"] });
  const it: Receiver = {
    url: `http://127.0.0.1:${port}/hook`,
    outgoing,
    received,
    badSignatures,
    answer: () => ({ status: 204 }),
    stop: async () => {
      outgoing.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return it;
}
