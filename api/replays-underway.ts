/**
 * Dead letters of an event type that were published again and are not in the table `replays` yet: they are in a
 * commit that the table has not followed, or in the log behind the cursors. Looked for where they are, so that no
 * restart forgets one.
 */
import { MuaraError } from "../core/errors.ts";
import { landedPartitions } from "../core/landed.ts";
import { headerOf } from "../core/record.ts";
import { replayNoteOf } from "../core/replay.ts";
import { readSideFile } from "../lake/side-file.ts";
import type { ApiPorts } from "./context.ts";

/** Of the log behind the cursors, looked through for one request, bytes. */
const BYTES_MAX = 268_435_456;
const READ_BYTES = 1_048_576;

/** To be asked before the table `replays` is: what moves on meanwhile is then in one of the two. */
export async function underwayOf(ports: ApiPorts, eventType: string): Promise<ReadonlySet<string>> {
  const consumed = (await ports.catalog.find("replays"))
    ? (await ports.catalog.snapshot("replays")).txns
    : new Map<string, bigint>();
  const snapshot = await ports.catalog.snapshot(eventType);
  const found = new Set<string>();
  const from = Number(consumed.get(`proj:${snapshot.metadata?.id ?? ""}`) ?? -1n);
  for (let version = from + 1; version <= snapshot.version; version++) {
    const info = (await ports.catalog.log(eventType).read(version))?.info as CommitInfo | undefined;
    if (!info?.replays || typeof info.side !== "string" || !ports.store) continue;
    for (const row of await readSideFile(ports.store, info.side))
      if (row.kind === "replay") note(found, new TextEncoder().encode(row.header ?? ""));
  }
  await searchLog(ports, eventType, landedPartitions(snapshot.txns), found);
  return found;
}

interface CommitInfo {
  readonly replays?: number;
  readonly side?: string | null;
}

async function searchLog(
  ports: ApiPorts,
  eventType: string,
  landed: ReturnType<typeof landedPartitions>,
  found: Set<string>,
): Promise<void> {
  const { log } = ports;
  const stream = await log.stream(eventType);
  if (!stream) return;
  let budget = BYTES_MAX;
  for (let partition = 0; partition < stream.partitions; partition++) {
    const { startOffset, endOffset } = await log.bounds(eventType, partition);
    const cursor = landed.find(
      (one) => one.logId === log.id && one.topicId === stream.topicId && one.partition === partition,
    )?.cursor;
    for (let offset = Math.max(cursor ?? 0, startOffset); offset < endOffset;) {
      if (budget <= 0)
        throw new MuaraError(
          "log.overloaded",
          `Landing of ${eventType} is far behind; replay when it has caught up.`,
        );
      const batch = await log.read(eventType, partition, offset, READ_BYTES);
      for (let i = 0; i < batch.count; i++) note(found, headerOf(batch, i));
      budget -= batch.bytes.length;
      offset = batch.next;
    }
  }
}

function note(found: Set<string>, header: Uint8Array): void {
  const id = replayNoteOf(header)?.replayOf;
  if (id !== undefined) found.add(id);
}
