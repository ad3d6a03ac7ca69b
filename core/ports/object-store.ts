/**
 * Named immutable bytes: a directory, S3 or memory.
 *
 * Contract, held by test/conformance/object-store.ts:
 * - a write that resolved is durable and visible to every reader at once, whole.
 * - conditional writes have three outcomes. `unknown` (timeout, reset, 5xx) never counts as refused: the bytes may
 *   appear later. Only `done` and `refused` are settled.
 * - reading and `location` take names that others have written, too (`checkReadPath`).
 * - paths are relative, `/`-separated, of safe segments; anything else is `store.path`.
 */
export type PutOutcome =
  | { readonly outcome: "done"; readonly etag: string }
  | { readonly outcome: "refused" }
  | { readonly outcome: "unknown"; readonly cause: unknown };

export interface StoredObject {
  readonly path: string;
  readonly bytes: number;
  /** ms since 1970 UTC by the store's clock. */
  readonly modifiedMs: number;
}

/** Bytes that are read part by part, any part more than once: what is sent may have to be sent again. */
export interface ByteSource {
  readonly bytes: number;
  /** Exactly `length` bytes from `at`, in memory of their own. */
  read(at: number, length: number): Promise<Uint8Array>;
}

export interface ObjectStore {
  /** Where readers outside of Muara find `path`: an absolute file path or an s3:// address. */
  location(path: string): string;

  /** Writes or overwrites. @throws store.unavailable, store.full when the outcome is not known to be done */
  put(path: string, bytes: Uint8Array): Promise<void>;
  /** The same with some parts of the bytes in memory at a time, however many they are. Wrappers may leave it out. */
  putFrom?(path: string, source: ByteSource): Promise<void>;
  /** Writes only where no object of that name exists; of many racing callers exactly one is `done`. */
  putIfAbsent(path: string, bytes: Uint8Array): Promise<PutOutcome>;
  /** Overwrites only the object whose etag is `etag`; refused when it changed or is gone. */
  putIfMatch(path: string, bytes: Uint8Array, etag: string): Promise<PutOutcome>;

  /** @returns undefined where no such object exists */
  get(path: string): Promise<Uint8Array | undefined>;
  /** `length` bytes from `at`, fewer at the object's end. @returns undefined where no such object exists */
  getRange(path: string, at: number, length: number): Promise<Uint8Array | undefined>;
  /** Size, time and etag. @returns undefined where no such object exists */
  head(path: string): Promise<(StoredObject & { readonly etag: string }) | undefined>;
  /** Objects below the folder `prefix` (all for ""), in path order. */
  list(prefix: string): Promise<readonly StoredObject[]>;
  /** Folders directly below `prefix`, in path order; empty ones may be among them. Wrappers may leave it out. */
  folders?(prefix: string): Promise<readonly string[]>;
  /**
   * An address under which anybody may read the object for so long, without credentials. Absent where there is no
   * server to ask. @param expiresMs 1 s to 7 days
   */
  presign?(path: string, expiresMs: number): Promise<string>;
  /**
   * Clears away what killed writers began before then and never completed: temporary files, uploads in parts. Nothing
   * of it was ever visible. Wrappers may leave it out. @returns how many
   */
  clearLeftovers?(begunBeforeMs: number): Promise<number>;
  /** Deletes; deleting what does not exist is no error. */
  delete(path: string): Promise<void>;
}
