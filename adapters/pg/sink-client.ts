/** Ways out of a connection: a polite one, and one for peers of which nothing is heard. */
import type { Socket } from "node:net";
import type { Client } from "pg";

const END_MS_MAX = 1_000;

/** Whoever waits for an answer is told at once that there is none. */
export function cutOff(client: Client | undefined): void {
  if (client) socketOf(client).destroy();
}

export function isAlive(client: Client | undefined): boolean {
  return client !== undefined && !socketOf(client).destroyed && socketOf(client).writable;
}

/** Says goodbye, but does not wait long for an answer. */
export async function endClient(client: Client): Promise<void> {
  if (!isAlive(client)) return cutOff(client);
  const timer = setTimeout(() => cutOff(client), END_MS_MAX);
  try {
    await client.end();
  } catch {
    cutOff(client);
  } finally {
    clearTimeout(timer);
  }
}

/** `pg` has it, and types without it. */
function socketOf(client: Client): Socket {
  return (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream;
}
