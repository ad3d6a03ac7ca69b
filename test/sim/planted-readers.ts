/** Bugs to be planted in extracts, shares and rights: as planted.ts does with landing. */
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { Plant, World } from "./world.ts";

const VERSION = /^(.*\/_versions\/)(\d{20})\.json$/;

export const READER_PLANTS: ReadonlyMap<string, Plant> = new Map<string, Plant>([
  ["a manifest is written before its files", { feed: manifestFirst }],
  ["an extract's number is skipped after a crash", { feed: skipsAfterStart }],
  ["an extract's number is skipped after an unknown outcome", { feed: skipsAfterUnknown }],
  ["an extract is published over another's", { feed: overwrites }],
  ["keeping a feed forgets the older versions", { feed: seesNewest }],
  ["a share gives out what the sweeper may take", { reader: (reader) => void (reader.isKept = () => true) }],
  [
    "a share's server reads its rights once",
    { registry: (registry) => Object.assign(registry, { refresh: async () => {} }) },
  ],
]);

type Changed = Partial<ObjectStore>;

function withStore(store: ObjectStore, changed: Changed): ObjectStore {
  return { ...store, ...changed };
}

function manifestFirst(store: ObjectStore): ObjectStore {
  const waiting = new Map<string, Uint8Array>();
  return withStore(store, {
    put: async (path, bytes) => {
      if (path.startsWith("_extracts/") && path.endsWith(".parquet")) waiting.set(path, bytes.slice());
      else await store.put(path, bytes);
    },
    putIfAbsent: async (path, bytes) => {
      const answer = await store.putIfAbsent(path, bytes);
      if (!VERSION.test(path)) return answer;
      for (const [file, content] of waiting) await store.put(file, content);
      waiting.clear();
      return answer;
    },
  });
}

function next(path: string): string {
  const [, folder, number] = VERSION.exec(path)!;
  return `${folder}${String(Number(number) + 1).padStart(20, "0")}.json`;
}

/** The first number after a start is taken for the one that was under way. */
function skipsAfterStart(store: ObjectStore, world: World): ObjectStore {
  let isFirst = world.feedAudit.version > 0;
  return withStore(store, {
    putIfAbsent: (path, bytes) => {
      const isSkipped = isFirst && VERSION.test(path);
      if (VERSION.test(path)) isFirst = false;
      return store.putIfAbsent(isSkipped ? next(path) : path, bytes);
    },
  });
}

function skipsAfterUnknown(store: ObjectStore): ObjectStore {
  const unknown = new Set<string>();
  return withStore(store, {
    putIfAbsent: async (path, bytes) => {
      const answer = await store.putIfAbsent(unknown.has(path) ? next(path) : path, bytes);
      if (answer.outcome === "unknown" && VERSION.test(path)) unknown.add(path);
      return answer;
    },
  });
}

function overwrites(store: ObjectStore): ObjectStore {
  return withStore(store, {
    putIfAbsent: async (path, bytes) => {
      if (!VERSION.test(path)) return store.putIfAbsent(path, bytes);
      await store.put(path, bytes);
      return { outcome: "done", etag: "" };
    },
  });
}

/** And takes their files for nobody's. */
function seesNewest(store: ObjectStore): ObjectStore {
  return withStore(store, {
    list: async (prefix) => {
      const found = await store.list(prefix);
      return prefix.endsWith("/_versions") ? found.slice(-1) : found;
    },
  });
}
