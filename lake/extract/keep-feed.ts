/**
 * Takes away what a feed no longer owes: versions beyond their retention, and files that no kept manifest names.
 *
 * Versions go oldest first and never leave a gap; before the first one goes, a full manifest is written, so that who
 * comes too late still finds a place to start. A file without a manifest may belong to a version that is being made:
 * it goes when its window is published beyond its revision, or when it is old. After an erasure the revisions before
 * it go at once, although older versions name them; those who ask for such a file get 410.
 */
import type { Clock } from "../../core/clock.ts";
import { dropFetches } from "./fetches.ts";
import type { FeedState } from "./feed-state.ts";
import type { FeedStore } from "./feed-store.ts";
import { partitionName, type Manifest } from "./manifest.ts";

/** Longer than making a version takes. */
const LEFTOVER_MS = 86_400_000;
const FILE = /\/(?:day|hour)=([^/]+)\/r(\d+)-[^/]*\.parquet$/;
const REDSHIFT = /\/_redshift\/(\d{20})-/;

export interface Kept {
  readonly versions: number;
  readonly files: number;
}

/** @returns what was deleted */
export async function keepFeed(store: FeedStore, clock: Clock, signal: AbortSignal): Promise<Kept> {
  const state = await store.state();
  const versions = await dropVersions(store, state, clock.nowMs(), signal);
  return { versions, files: await sweepFiles(store, state, clock.nowMs()) };
}

async function dropVersions(
  store: FeedStore,
  state: FeedState,
  nowMs: number,
  signal: AbortSignal,
): Promise<number> {
  const expired: number[] = [];
  for (const version of await store.versions()) {
    const manifest = await store.manifest(version);
    // The newest stays: it says where the feed is.
    if (!manifest || version >= state.version || Date.parse(manifest.retained_until) >= nowMs) break;
    expired.push(version);
  }
  const fulls = await store.versions("_full");
  const needed = expired.at(-1);
  if (needed !== undefined) {
    if ((fulls.at(-1) ?? 0) <= needed) await store.publishFull(state, signal);
    for (const version of expired) {
      await store.store.delete(store.manifestPath(version));
      store.forget(version, "_versions");
      await dropFetches(store, version);
    }
  }
  const newest = (await store.versions("_full")).at(-1);
  for (const version of fulls) {
    const full = version === newest ? undefined : await store.manifest(version, "_full");
    if (!full || Date.parse(full.retained_until) >= nowMs) continue;
    await store.store.delete(store.manifestPath(version, "_full"));
    store.forget(version, "_full");
  }
  return expired.length;
}

async function sweepFiles(store: FeedStore, state: FeedState, nowMs: number): Promise<number> {
  // First what is there, then what is named: a version that is published meanwhile names files that are young.
  const found = await store.list();
  const manifests = await keptManifests(store);
  const named = new Set(manifests.flatMap(({ files }) => files.map(({ name }) => store.filePath(name))));
  const erased = erasures([...manifests, ...(state.newest ? [state.newest] : [])]);
  const versions = new Set(manifests.map(({ version }) => version));
  let count = 0;
  for (const { path, modifiedMs } of found) {
    const [, window, revisionText] = FILE.exec(path) ?? [];
    const isOld = nowMs - modifiedMs > LEFTOVER_MS;
    let isDue: boolean;
    if (window === undefined) {
      const redshift = REDSHIFT.exec(path)?.[1];
      isDue = redshift !== undefined && isOld && !versions.has(Number(redshift));
    } else {
      const revision = Number(revisionText);
      const published = state.windows.get(window)?.partition.revision ?? 0;
      const isErased = revision < (erased.get(window) ?? 0);
      isDue = isErased || (!named.has(path) && (revision <= published || isOld));
    }
    if (!isDue) continue;
    await store.store.delete(path);
    count++;
  }
  return count;
}

async function keptManifests(store: FeedStore): Promise<readonly Manifest[]> {
  const manifests: Manifest[] = [];
  for (const kind of ["_full", "_versions"] as const)
    for (const version of await store.versions(kind)) {
      const manifest = await store.manifest(version, kind);
      if (manifest) manifests.push(manifest);
    }
  return manifests;
}

/** The newest revision of each window that somebody was erased with. */
function erasures(manifests: readonly Manifest[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { partitions } of manifests)
    for (const partition of partitions) {
      if (partition.reason !== "erasure") continue;
      const name = partitionName(partition);
      found.set(name, Math.max(found.get(name) ?? 0, partition.revision));
    }
  return found;
}
