/** Bytes `[from, to)` of a file, fewer where it ends before; undefined where there is no such file. */
export type ReadRange = (from: number, to: number) => Promise<Uint8Array | undefined>;
