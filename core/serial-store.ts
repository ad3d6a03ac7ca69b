/**
 * A store on which this process never races itself: of conditional writes of one name one is under way at a time. It
 * makes a store whose conditions hold, but not in a race, safe for one process.
 */
import type { ByteSource, ObjectStore, PutOutcome } from "./ports/object-store.ts";

export function serialStore(store: ObjectStore): ObjectStore {
  const last = new Map<string, Promise<unknown>>();
  const inTurn = (path: string, work: () => Promise<PutOutcome>): Promise<PutOutcome> => {
    const before = last.get(path) ?? Promise.resolve();
    const mine = before.then(work, work);
    const ended: Promise<unknown> = mine
      .catch(() => undefined)
      .then(() => last.get(path) === ended && last.delete(path));
    last.set(path, ended);
    return mine;
  };
  return {
    location: (path) => store.location(path),
    put: (path, bytes) => store.put(path, bytes),
    ...(store.putFrom ? { putFrom: (path: string, source: ByteSource) => store.putFrom!(path, source) } : {}),
    putIfAbsent: (path, bytes) => inTurn(path, () => store.putIfAbsent(path, bytes)),
    putIfMatch: (path, bytes, etag) => inTurn(path, () => store.putIfMatch(path, bytes, etag)),
    get: (path) => store.get(path),
    getRange: (path, at, length) => store.getRange(path, at, length),
    head: (path) => store.head(path),
    list: (prefix) => store.list(prefix),
    ...(store.folders ? { folders: (prefix: string) => store.folders!(prefix) } : {}),
    ...(store.presign ? { presign: (path: string, ms: number) => store.presign!(path, ms) } : {}),
    ...(store.clearLeftovers ? { clearLeftovers: (ms: number) => store.clearLeftovers!(ms) } : {}),
    delete: (path) => store.delete(path),
  };
}
