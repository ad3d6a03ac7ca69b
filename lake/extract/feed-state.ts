/**
 * What a feed has published so far, window by window: the fold of its manifests, in order. The same fold is what a
 * consumer does, so a full manifest, which is a state written down, stands for all versions up to its own.
 */
import { partitionName, type Manifest, type ManifestFile, type ManifestPartition } from "./manifest.ts";

export interface PublishedWindow {
  readonly partition: ManifestPartition;
  /** Of the whole window, in the order in which they came. */
  readonly files: readonly ManifestFile[];
}

export interface FeedState {
  /** The newest version; 0 before the first. */
  readonly version: number;
  /** The newest manifest that was folded. */
  readonly newest: Manifest | undefined;
  /** By the window's name. */
  readonly windows: ReadonlyMap<string, PublishedWindow>;
}

export const NOTHING_PUBLISHED: FeedState = { version: 0, newest: undefined, windows: new Map() };

/** @returns a new state; `state` stays as it was */
export function foldManifest(state: FeedState, manifest: Manifest): FeedState {
  const windows = new Map(manifest.full ? [] : state.windows);
  const files = new Map(manifest.files.map((file) => [file.id, file]));
  for (const partition of manifest.partitions) {
    const name = partitionName(partition);
    const own = partition.files.map((id) => files.get(id)!);
    const before = partition.action === "append" ? (windows.get(name)?.files ?? []) : [];
    windows.set(name, { partition, files: [...before, ...own] });
  }
  return { version: manifest.version, newest: manifest, windows };
}

/** Partitions and files of a full manifest: every window by itself, numbered anew. */
export function listWindows(state: FeedState): Pick<Manifest, "partitions" | "files" | "rows"> {
  const files: ManifestFile[] = [];
  const partitions = [...state.windows]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, published]): ManifestPartition => {
      const own = published.files.map((file) => ({ ...file, id: "" }));
      const ids = own.map((file) => {
        const id = String(files.length);
        files.push({ ...file, id });
        return id;
      });
      const { window_rows: rows, window_totals: totals } = published.partition;
      return { ...published.partition, action: "replace", rows, totals, files: ids };
    });
  return { partitions, files, rows: partitions.reduce((sum, partition) => sum + partition.rows, 0) };
}
