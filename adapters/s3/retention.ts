/**
 * Removes from one stream what age, size and holds allow. First a group says that it is gone (new starts, or a new
 * snapshot), then the objects are deleted: readers agree on what there is, and a crash in between leaves objects that
 * the next run deletes.
 *
 * Surprising rule: objects younger than a while are never deleted, by the store's own clock. Whoever has not seen a
 * group yet may still ask for its number; were it free again, a group would be written that nobody knows (chain.ts).
 */
import type { Clock, Randomness } from "../../core/clock.ts";
import type { Hold } from "../../core/ports/log.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Change } from "./draft.ts";
import { type GroupHeader, groupPath, recordsOf } from "./group.ts";
import { mergeSlices, type PlacedBatch } from "./records.ts";
import { compactRecords, encodeSnapshot } from "./snapshot.ts";
import type { StreamHandle } from "./stream-handle.ts";

const TOMBSTONE_MS = 24 * 3_600_000;
/** Objects deleted in one run at most, so that a run ends. */
const DELETES_MAX = 10_000;
const DELETES_AT_ONCE = 16;
/** Groups without use that are not worth a group that says so. */
const SPARE_GROUPS = 64;

interface Services {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  /** What is younger is not deleted, ms. */
  readonly graceMs: number;
}

type RetentionParts = Services & Pick<StreamHandle, "chain" | "reader" | "snapshots" | "appender" | "swept">;

/** @returns bytes freed */
export async function retainStream(
  handle: StreamHandle,
  services: Services,
  holds: readonly Hold[],
): Promise<number> {
  const parts = partsOf(handle, services);
  const { header } = await parts.chain.fresh(true);
  if (header.group < 0) return 0;
  const { name, cleanup, partitions } = parts.chain.info;
  const lowest = Array.from({ length: partitions }, () => Infinity);
  for (const { stream, partition, offset } of holds)
    if (stream === name) lowest[partition] = Math.min(lowest[partition]!, offset);
  const change = cleanup === "compact" ? await compact(parts, lowest) : await expire(parts, lowest);
  if (change) await parts.appender.add({ kind: "change", decide: (now) => stillRight(header, now, change) });
  return sweep(parts);
}

function partsOf(handle: StreamHandle, services: Services): RetentionParts {
  const { chain, reader, snapshots, appender, swept } = handle;
  return { ...services, chain, reader, snapshots, appender, swept };
}

/** A change was decided on what another retention may have changed since; then it is the next run's turn. */
function stillRight(decidedOn: GroupHeader, now: GroupHeader, change: Change): Change | undefined {
  const isSame = decidedOn.snapshot?.path === now.snapshot?.path;
  const hasSameStarts =
    decidedOn.starts.length === now.starts.length &&
    decidedOn.starts.every((start, partition) => start === now.starts[partition]);
  return isSame && hasSameStarts ? change : undefined;
}

async function expire(
  { chain, reader, clock }: RetentionParts,
  lowest: number[],
): Promise<Change | undefined> {
  const { header } = await chain.state();
  const limitMs = clock.nowMs() - chain.info.retentionMs;
  const kept = await chain.firstGroup(header.first, ({ ingestMs }) => ingestMs > limitMs);
  const before = kept > header.first ? await chain.header(kept - 1) : undefined;
  if (!before) return undefined;
  const starts = await Promise.all(
    header.starts.map(async (start, partition) => {
      const wanted = Math.min(before.header.ends[partition] ?? 0, lowest[partition]!);
      return wanted <= start ? start : Math.max(start, await reader.groupStart(partition, wanted));
    }),
  );
  return starts.some((start, partition) => start > header.starts[partition]!) ? { starts } : undefined;
}

async function compact(parts: RetentionParts, lowest: number[]): Promise<Change | undefined> {
  const { chain, store, clock, randomness } = parts;
  const { header } = await chain.state();
  const all = await everything(parts, header);
  const tombstoneBeforeMs = clock.nowMs() - TOMBSTONE_MS;
  const partitions = all.map((batch, partition) =>
    compactRecords(batch, Math.min(lowest[partition]!, header.ends[partition]!), tombstoneBeforeMs),
  );
  const removed = partitions.reduce((sum, { count }, partition) => sum + all[partition]!.count - count, 0);
  const spare = header.group - (header.snapshot?.group ?? header.first - 1);
  if (removed === 0 && spare <= SPARE_GROUPS) return undefined;
  const path = `snapshots/${chain.info.topicId}/${randomness.uuid()}`;
  await store.put(path, await encodeSnapshot({ partitions }));
  return { snapshot: { path, ends: header.ends, group: header.group } };
}

/** [partition] all records of the stream up to `header`. */
async function everything({ chain, snapshots }: RetentionParts, header: GroupHeader): Promise<PlacedBatch[]> {
  const { snapshot, ends } = header;
  const stored = snapshot ? await snapshots.load(snapshot) : undefined;
  const found = ends.map((_, partition): PlacedBatch[] => {
    const compacted = stored?.partitions[partition];
    return compacted ? [compacted] : [];
  });
  const from = snapshot ? snapshot.group + 1 : header.first;
  for (let group = from; group <= header.group; group++) {
    const whole = (await chain.whole(group))!;
    ends.forEach((_, partition) => found[partition]!.push(...recordsOf(whole, partition)));
  }
  return found.map((batches) => mergeSlices(batches.map((batch) => ({ batch, from: 0, to: batch.count }))));
}

/** Deletes the groups and snapshots that nothing needs any more. @returns bytes freed */
async function sweep(parts: RetentionParts): Promise<number> {
  const { chain, reader, store, appender, swept, graceMs } = parts;
  const { header } = await chain.state();
  const { checkpoint, snapshot, starts } = header;
  const first = Math.max(header.first, swept.to);
  const needed = snapshot
    ? [snapshot.group + 1]
    : await Promise.all(starts.map((start, partition) => reader.firstGroupOf(partition, start)));
  const unused = Math.min(checkpoint, first + DELETES_MAX, ...needed);
  if (unused <= first) return 0;
  // Written now, so that it tells the store's time.
  await chain.writeHint(checkpoint);
  const youngestMs = (await chain.hintMs()) - graceMs;
  const end = await firstYoung(parts, first, unused, youngestMs);
  if (end <= first) return 0;
  const [from, to] = [await chain.header(first), await chain.header(end - 1)];
  for (let group = first; group < end; group += DELETES_AT_ONCE) {
    const count = Math.min(DELETES_AT_ONCE, end - group);
    const numbers = Array.from({ length: count }, (_, i) => group + i);
    await Promise.all(numbers.map((number) => store.delete(groupPath(chain.info, number))));
  }
  swept.to = end;
  if (snapshot) await sweepSnapshots(store, snapshot.path, youngestMs);
  if (end - header.first > SPARE_GROUPS)
    await appender.add({ kind: "change", decide: (now) => (now.first < end ? { first: end } : undefined) });
  if (!to) return 0; // another process swept it just now
  const bytesBefore = from ? from.header.totalBytes - bodyBytes(from.header) : 0;
  return to.header.totalBytes - bytesBefore;
}

/** The first group of [low, high) that the store got later than `youngestMs`, by binary search; high where none is. */
async function firstYoung(
  { chain, store }: RetentionParts,
  low: number,
  high: number,
  youngestMs: number,
): Promise<number> {
  let [from, to] = [low, high];
  while (from < to) {
    const middle = Math.floor((from + to) / 2);
    const found = await store.head(groupPath(chain.info, middle));
    if (found && found.modifiedMs > youngestMs) to = middle;
    else from = middle + 1;
  }
  return from;
}

function bodyBytes({ batches }: GroupHeader): number {
  return batches.reduce((sum, { bytes }) => sum + bytes, 0);
}

async function sweepSnapshots(store: ObjectStore, kept: string, youngestMs: number): Promise<void> {
  const folder = kept.slice(0, kept.lastIndexOf("/"));
  for (const { path, modifiedMs } of await store.list(folder))
    if (path !== kept && modifiedMs < youngestMs) await store.delete(path);
}

/**
 * Deletes what a deleted stream left behind, once nobody can believe any more that its chain goes on: a group with a
 * number that is free again would be acknowledged and lost.
 * @param markerPath of the object that says since when it is deleted
 */
export async function sweepDeleted(
  { store, graceMs }: Pick<Services, "store" | "graceMs">,
  topicId: string,
  markerPath: string,
): Promise<void> {
  const marker = await store.head(markerPath);
  const probe = `${markerPath}.now`;
  await store.put(probe, new Uint8Array(0));
  const nowMs = (await store.head(probe))?.modifiedMs ?? 0;
  await store.delete(probe);
  if (!marker || nowMs - marker.modifiedMs < graceMs) return;
  const left = [...(await store.list(`groups/${topicId}`)), ...(await store.list(`snapshots/${topicId}`))];
  for (let from = 0; from < left.length; from += DELETES_AT_ONCE)
    await Promise.all(left.slice(from, from + DELETES_AT_ONCE).map(({ path }) => store.delete(path)));
  await store.delete(`hints/${topicId}.json`);
  await store.delete(markerPath);
}
