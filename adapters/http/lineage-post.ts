/** OpenLineage events to an address that takes them one by one by POST, as OpenLineage's HTTP transport does. */
import { MuaraError } from "../../core/errors.ts";
import type { Outgoing } from "../../core/ports/outgoing.ts";

const TIMEOUT_MS = 5_000;

/** @throws outgoing.failed and what the port throws */
export function postLineage(
  { outgoing }: { readonly outgoing: Outgoing },
  url: string,
): (events: readonly string[], signal: AbortSignal) => Promise<void> {
  return async ([event], signal) => {
    const { status } = await outgoing.send({
      method: "POST",
      url,
      headers: { "content-type": "application/json", "user-agent": "muara-lineage" },
      body: new TextEncoder().encode(event),
      timeoutMs: TIMEOUT_MS,
      signal,
    });
    if (status < 200 || status >= 300)
      throw new MuaraError("outgoing.failed", `the receiver of lineage answers ${status}`);
  };
}
