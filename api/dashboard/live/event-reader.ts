/** Server-sent events read by fetch, since EventSource can send no token. */
import { askOnce } from "../api-client.ts";

export interface ServerEvent {
  readonly id: string;
  readonly event: string;
  /** JSON text. */
  readonly data: string;
}

/** Reads until the stream ends or the signal is aborted. @throws ApiError where it cannot be opened */
export async function readEvents(
  path: string,
  lastEventId: string | undefined,
  take: (event: ServerEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const headers: Record<string, string> = { accept: "text/event-stream" };
  if (lastEventId !== undefined) headers["last-event-id"] = lastEventId;
  const response = await askOnce(path, { headers, signal });
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const parts = (rest + value).split("\n\n");
    rest = parts.pop()!;
    for (const part of parts) if (!part.startsWith(":")) take(parse(part));
  }
}

function parse(part: string): ServerEvent {
  const found: Record<string, string> = {};
  for (const line of part.split("\n")) {
    const at = line.indexOf(": ");
    if (at > 0) found[line.slice(0, at)] = line.slice(at + 2);
  }
  return { id: found["id"] ?? "", event: found["event"] ?? "message", data: found["data"] ?? "null" };
}
