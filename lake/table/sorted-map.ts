/**
 * An immutable map in key order that shares structure between versions: a snapshot after one commit costs the
 * commit, not the table. Two levels: a list of chunks, each a short sorted list; a change copies one chunk and the
 * list of chunks. Keys are compared by UTF-16 code units, so that iteration is the same on every machine.
 */

const CHUNK_LENGTH_MAX = 128;

interface Chunk<Value> {
  readonly keys: readonly string[]; // sorted, never empty
  readonly values: readonly Value[]; // [key]
}

export class SortedMap<Value> implements ReadonlyMap<string, Value> {
  readonly #chunks: readonly Chunk<Value>[];
  readonly size: number;

  private constructor(chunks: readonly Chunk<Value>[], size: number) {
    this.#chunks = chunks;
    this.size = size;
  }

  /** Of entries with equal keys the last one counts. */
  static from<Value>(entries: Iterable<readonly [string, Value]> = []): SortedMap<Value> {
    const sorted = [...new Map(entries)].sort(([a], [b]) => (a < b ? -1 : 1));
    const chunks: Chunk<Value>[] = [];
    for (let at = 0; at < sorted.length; at += CHUNK_LENGTH_MAX / 2) {
      const part = sorted.slice(at, at + CHUNK_LENGTH_MAX / 2);
      chunks.push({ keys: part.map(([key]) => key), values: part.map(([, value]) => value) });
    }
    return new SortedMap(chunks, sorted.length);
  }

  with(key: string, value: Value): SortedMap<Value> {
    const chunkIndex = this.#chunkOf(key);
    const chunk = this.#chunks[chunkIndex];
    if (chunk === undefined) return SortedMap.from([[key, value]]);
    const at = lowerBound(chunk.keys, key);
    const isPresent = chunk.keys[at] === key;
    const keys = isPresent ? chunk.keys : chunk.keys.toSpliced(at, 0, key);
    const values = isPresent ? chunk.values.with(at, value) : chunk.values.toSpliced(at, 0, value);
    const half = keys.length >> 1;
    const chunks =
      keys.length <= CHUNK_LENGTH_MAX
        ? this.#chunks.with(chunkIndex, { keys, values })
        : this.#chunks.toSpliced(
            chunkIndex,
            1,
            { keys: keys.slice(0, half), values: values.slice(0, half) },
            { keys: keys.slice(half), values: values.slice(half) },
          );
    return new SortedMap(chunks, this.size + (isPresent ? 0 : 1));
  }

  without(key: string): SortedMap<Value> {
    const chunkIndex = this.#chunkOf(key);
    const chunk = this.#chunks[chunkIndex];
    const at = chunk === undefined ? 0 : lowerBound(chunk.keys, key);
    if (chunk === undefined || chunk.keys[at] !== key) return this;
    const rest = { keys: chunk.keys.toSpliced(at, 1), values: chunk.values.toSpliced(at, 1) };
    const chunks =
      rest.keys.length === 0 ? this.#chunks.toSpliced(chunkIndex, 1) : this.#chunks.with(chunkIndex, rest);
    return new SortedMap(chunks, this.size - 1);
  }

  get(key: string): Value | undefined {
    const chunk = this.#chunks[this.#chunkOf(key)];
    if (chunk === undefined) return undefined;
    const at = lowerBound(chunk.keys, key);
    return chunk.keys[at] === key ? chunk.values[at] : undefined;
  }

  has(key: string): boolean {
    const chunk = this.#chunks[this.#chunkOf(key)];
    return chunk !== undefined && chunk.keys[lowerBound(chunk.keys, key)] === key;
  }

  *entries(): Generator<[string, Value], undefined, unknown> {
    for (const { keys, values } of this.#chunks) {
      for (let at = 0; at < keys.length; at++) yield [keys[at]!, values[at]!];
    }
  }

  *keys(): Generator<string, undefined, unknown> {
    for (const { keys } of this.#chunks) yield* keys;
  }

  *values(): Generator<Value, undefined, unknown> {
    for (const { values } of this.#chunks) yield* values;
  }

  [Symbol.iterator](): Generator<[string, Value], undefined, unknown> {
    return this.entries();
  }

  forEach(visit: (value: Value, key: string, map: ReadonlyMap<string, Value>) => void): void {
    for (const [key, value] of this.entries()) visit(value, key, this);
  }

  /** The only chunk that may hold `key`: the last one that begins at or before it, else the first. */
  #chunkOf(key: string): number {
    let low = 0;
    let high = this.#chunks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#chunks[middle]!.keys[0]! <= key) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

/** Index of the first key that is not less than `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
