/**
 * Where a feed lies in the lake's store: below `_extracts/FEED/`, which is no table, so readers and the catalog pass it
 * by.
 *
 * `day=2026-11-20/r3-….parquet`   files, named after window, revision and content; never written with other content
 * `_versions/00…412.json`         manifests: version n+1 is claimed by put-if-absent, so numbers are dense
 * `_full/00…400.json`             manifests of all windows, for who comes too late for the versions before
 * `_receipts/00…412/….json`       what loaders said that they have loaded
 * `_fetches/00…412/….json`        who has fetched what of a version (fetches.ts)
 * `_status.json`                  how the feed is doing; the last writer wins
 */
import type { Clock } from "../../core/clock.ts";
import { isStoreTrouble, MuaraError } from "../../core/errors.ts";
import type { ObjectStore, StoredObject } from "../../core/ports/object-store.ts";
import { foldManifest, listWindows, NOTHING_PUBLISHED, type FeedState } from "./feed-state.ts";
import { formatManifest, parseManifest, sealManifest, type Manifest } from "./manifest.ts";

export const EXTRACTS_FOLDER = "_extracts";
const VERSION_FILE = /\/(\d{20})\.json$/;
const BACK_OFF_MS_MIN = 20;
const BACK_OFF_MS_MAX = 5_000;
/** Manifests kept in memory, per feed. */
const CACHED = 200;

export type ManifestKind = "_versions" | "_full";

export class FeedStore {
  readonly feed: string;
  readonly store: ObjectStore;
  readonly #clock: Clock;
  readonly #manifests = new Map<string, Manifest>();
  #state: FeedState | undefined;

  constructor(store: ObjectStore, feed: string, clock: Clock) {
    this.store = store;
    this.feed = feed;
    this.#clock = clock;
  }

  /** Of a name in a manifest. */
  filePath(name: string): string {
    return `${EXTRACTS_FOLDER}/${name}`;
  }

  path(rest: string): string {
    return `${EXTRACTS_FOLDER}/${this.feed}/${rest}`;
  }

  manifestPath(version: number, kind: ManifestKind = "_versions"): string {
    return this.path(`${kind}/${versionText(version)}.json`);
  }

  /** Those that are kept, ascending. */
  async versions(kind: ManifestKind = "_versions"): Promise<readonly number[]> {
    const found = await this.store.list(this.path(kind));
    return found
      .flatMap(({ path }) => VERSION_FILE.exec(path)?.slice(1) ?? [])
      .map(Number)
      .sort((a, b) => a - b);
  }

  /** @returns undefined where there is none (any more) @throws extract.corrupt */
  async manifest(version: number, kind: ManifestKind = "_versions"): Promise<Manifest | undefined> {
    const path = this.manifestPath(version, kind);
    const known = this.#manifests.get(path);
    if (known) return known;
    const bytes = await this.store.get(path);
    if (!bytes) return undefined;
    const manifest = parseManifest(bytes, path);
    // Whoever counts on from what it says would look for the same number for ever.
    if (manifest.version !== version)
      throw new MuaraError("extract.corrupt", `${path} is the manifest of version ${manifest.version}.`, {
        details: { path },
      });
    this.#manifests.set(path, manifest);
    if (this.#manifests.size > CACHED) this.#manifests.delete(this.#manifests.keys().next().value!);
    return manifest;
  }

  /** What is published by now. The head is found by looking for n+1 until it is not there. */
  async state(): Promise<FeedState> {
    let state = this.#state ?? (await this.#start());
    for (;;) {
      const next = await this.manifest(state.version + 1);
      if (!next) break;
      state = foldManifest(state, next);
    }
    this.#state = state;
    return state;
  }

  async #start(): Promise<FeedState> {
    const newest = (await this.versions("_full")).at(-1);
    if (newest === undefined) return NOTHING_PUBLISHED;
    const full = await this.manifest(newest, "_full");
    return full ? foldManifest(NOTHING_PUBLISHED, full) : NOTHING_PUBLISHED;
  }

  /** Forgets what was read, for who knows that the store was changed otherwise. */
  forget(version: number, kind: ManifestKind): void {
    this.#manifests.delete(this.manifestPath(version, kind));
  }

  /**
   * Makes a version visible.
   * @returns false where another process has that number: then nothing of this one is
   * @throws store.unavailable when `signal` ends it before the outcome is known
   */
  async publish(manifest: Manifest, signal: AbortSignal): Promise<boolean> {
    return this.claim(this.manifestPath(manifest.version), formatManifest(manifest), signal);
  }

  /** Writes the state down as a full manifest, for who cannot start at the first version. */
  async publishFull(state: FeedState, signal: AbortSignal): Promise<void> {
    const { newest } = state;
    if (!newest || state.version === 0) return;
    const { manifest_sha256: _hash, ...rest } = newest;
    const full = sealManifest({ ...rest, full: true, ...listWindows(state), quality: [] });
    await this.claim(this.manifestPath(state.version, "_full"), formatManifest(full), signal);
  }

  /** Put-if-absent until the outcome is known: done, or somebody else's bytes are there. */
  async claim(path: string, bytes: Uint8Array, signal: AbortSignal): Promise<boolean> {
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#try(path, bytes, attempt > 0);
      if (outcome === "done") return true;
      if (outcome === "refused") {
        const found = await this.store.get(path);
        // Ours, by an earlier attempt whose answer was lost; or the same, which is as good.
        if (found) return Buffer.compare(found, bytes) === 0;
      }
      if (signal.aborted)
        throw new MuaraError("store.unavailable", `whether ${path} was written is not known`);
      await this.#clock.sleep(Math.min(BACK_OFF_MS_MIN * 2 ** attempt, BACK_OFF_MS_MAX), signal);
    }
  }

  async #try(path: string, bytes: Uint8Array, isRepeated: boolean): Promise<"done" | "refused" | "unknown"> {
    try {
      return (await this.store.putIfAbsent(path, bytes)).outcome;
    } catch (error) {
      if (!isRepeated || !isStoreTrouble(error)) throw error;
      return "unknown";
    }
  }

  /** Everything of this feed. */
  list(): Promise<readonly StoredObject[]> {
    return this.store.list(`${EXTRACTS_FOLDER}/${this.feed}`);
  }
}

export function versionText(version: number): string {
  return String(version).padStart(20, "0");
}
