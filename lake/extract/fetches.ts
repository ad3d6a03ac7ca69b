/**
 * Who fetched what of a version. Each first fetch is one small object, written by put-if-absent, so that processes do
 * not race and a consumer that asks again costs nothing:
 *
 * `_fetches/00…412/manifest-….json`   somebody has read the manifest; also `links-…`, with addresses of S3 in it,
 * `_fetches/00…412/file.3-….json`     from which files come without passing here; a file, by its id
 *
 * and `full.` before it, of the manifest of all windows. It is a note for people: what cannot be written is not waited
 * for and keeps nobody from the file.
 */
import { createHash } from "node:crypto";
import type { Clock } from "../../core/clock.ts";
import { versionText, type FeedStore } from "./feed-store.ts";

const FOLDER = "_fetches";
const PLACE = /\/_fetches\/(\d{20})\/(full\.)?(manifest|links|file\.[^/]{1,200}?)-[0-9a-f]{64}\.json$/;
/** Noted fetches that are remembered, so that they are not written again. */
const KNOWN_MAX = 100_000;
/** Notes that are read for one answer. */
const READ_MAX = 5_000;

export interface Fetched {
  readonly version: number;
  /** Of the manifest of all windows. */
  readonly isFull: boolean;
  /** `manifest`, `links` or `file.ID`. */
  readonly what: string;
}

/** What one principal has of one version. */
export interface FetchSum {
  readonly version: number;
  readonly isFull: boolean;
  readonly by: string;
  readonly hasManifest: boolean;
  /** Whether it was given addresses of S3: which files came from there is not known here. */
  readonly hasLinks: boolean;
  /** Ids of files. */
  readonly files: readonly string[];
  /** ISO 8601, of the first fetch of something that was not fetched before. */
  readonly firstAt: string;
  readonly lastAt: string;
}

interface Note {
  readonly by: string;
  readonly at: string;
}

/** Of one process. */
export class FetchNotes {
  readonly #clock: Clock;
  readonly #known = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @throws store.unavailable, store.full */
  async note(feed: FeedStore, { version, isFull, what }: Fetched, by: string): Promise<void> {
    const hash = createHash("sha256").update(by).digest("hex");
    const name = `${isFull ? "full." : ""}${what}-${hash}.json`;
    const place = feed.path(`${FOLDER}/${versionText(version)}/${name}`);
    if (this.#known.has(place)) return;
    const note: Note = { by, at: new Date(this.#clock.nowMs()).toISOString() };
    const { outcome } = await feed.store.putIfAbsent(place, Buffer.from(JSON.stringify(note)));
    if (outcome === "unknown") return;
    if (this.#known.size >= KNOWN_MAX) this.#known.clear();
    this.#known.add(place);
  }
}

/** Newest version first. @param versionsMax how many versions that were fetched at all */
export async function listFetches(feed: FeedStore, versionsMax: number): Promise<readonly FetchSum[]> {
  const found = (await feed.store.list(feed.path(FOLDER))).flatMap(({ path }) => {
    const [, version, full, what] = PLACE.exec(path) ?? [];
    return version ? [{ path, version: Number(version), isFull: full !== undefined, what: what! }] : [];
  });
  const versions = [...new Set(found.map(({ version }) => version))].sort((a, b) => b - a);
  const wanted = new Set(versions.slice(0, versionsMax));
  const places = found.filter(({ version }) => wanted.has(version)).slice(-READ_MAX);
  const sums = new Map<string, FetchSum>();
  const notes = await Promise.all(places.map(({ path }) => feed.store.get(path)));
  for (const [i, { version, isFull, what }] of places.entries()) {
    const bytes = notes[i];
    if (!bytes) continue; // deleted meanwhile
    const { by, at } = JSON.parse(Buffer.from(bytes).toString()) as Note;
    const key = `${version}/${isFull}/${by}`;
    const sum = sums.get(key);
    sums.set(key, {
      version,
      isFull,
      by,
      hasManifest: (sum?.hasManifest ?? false) || !what.startsWith("file."),
      hasLinks: (sum?.hasLinks ?? false) || what === "links",
      files: what.startsWith("file.") ? [...(sum?.files ?? []), what.slice(5)] : (sum?.files ?? []),
      firstAt: sum && sum.firstAt < at ? sum.firstAt : at,
      lastAt: sum && sum.lastAt > at ? sum.lastAt : at,
    });
  }
  return [...sums.values()].sort((a, b) => b.version - a.version || (a.lastAt < b.lastAt ? 1 : -1));
}

/** What is noted of a version that is not kept any more. */
export async function dropFetches(feed: FeedStore, version: number): Promise<void> {
  for (const { path } of await feed.store.list(feed.path(`${FOLDER}/${versionText(version)}`)))
    await feed.store.delete(path);
}
