/** Identities by generation of ingest time, newest and the one before, in tables with linear probing. */
class Table {
  #mask = 1023;
  #tags = new Uint8Array(1024);
  #words = new Uint32Array(4096);
  #size = 0;

  /** @param at of four words @returns whether it is there */
  has(ids: Uint32Array, at: number, hash: number): boolean {
    const tags = this.#tags;
    const words = this.#words;
    const tag = (hash >>> 24) | 1;
    const a = ids[at]!;
    const b = ids[at + 1]!;
    const c = ids[at + 2]!;
    const d = ids[at + 3]!;
    for (let slot = hash & this.#mask; tags[slot] !== 0; slot = (slot + 1) & this.#mask) {
      if (tags[slot] !== tag) continue;
      const x = slot << 2;
      if (words[x] === a && words[x + 1] === b && words[x + 2] === c && words[x + 3] === d) return true;
    }
    return false;
  }

  /** Adds one that is not there. */
  add(ids: Uint32Array, at: number, hash: number): void {
    if (this.#size >= this.#mask * 0.6) this.#grow();
    this.#put(ids, at, hash);
    this.#size++;
  }

  #put(ids: Uint32Array, at: number, hash: number): void {
    let slot = hash & this.#mask;
    while (this.#tags[slot] !== 0) slot = (slot + 1) & this.#mask;
    this.#tags[slot] = (hash >>> 24) | 1;
    const x = slot << 2;
    this.#words[x] = ids[at]!;
    this.#words[x + 1] = ids[at + 1]!;
    this.#words[x + 2] = ids[at + 2]!;
    this.#words[x + 3] = ids[at + 3]!;
  }

  #grow(): void {
    const tags = this.#tags;
    const words = this.#words;
    const capacity = (this.#mask + 1) * 2;
    this.#mask = capacity - 1;
    this.#tags = new Uint8Array(capacity);
    this.#words = new Uint32Array(capacity * 4);
    for (let slot = 0; slot < tags.length; slot++)
      if (tags[slot] !== 0) this.#put(words, slot << 2, hashOf(words, slot << 2));
  }
}

function hashOf(ids: Uint32Array, at: number): number {
  let hash = ids[at]! ^ Math.imul(ids[at + 1]!, 0x9e37_79b1);
  hash ^= Math.imul(ids[at + 2]!, 0x85eb_ca77) ^ Math.imul(ids[at + 3]!, 0x27d4_eb2f);
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0xc2b2_ae3d);
  return hash ^ (hash >>> 13);
}

export class TypedSet {
  readonly #generationMs: number;
  #number = -1;
  #current = new Table();
  #before = new Table();

  constructor(generationMs: number) {
    this.#generationMs = generationMs;
  }

  /** Ingest times never go back here. @returns how many are new; `selected` has their positions from `from` on */
  admit(ids: Uint32Array, ingestMs: Float64Array, from: number, to: number, selected: Uint32Array): number {
    let count = 0;
    for (let i = from; i < to; i++) {
      const number = Math.floor(ingestMs[i]! / this.#generationMs);
      if (number !== this.#number) {
        this.#before = this.#current;
        this.#current = new Table();
        this.#number = number;
      }
      const at = i * 4;
      const hash = hashOf(ids, at);
      if (this.#before.has(ids, at, hash) || this.#current.has(ids, at, hash)) continue;
      this.#current.add(ids, at, hash);
      selected[count++] = i - from;
    }
    return count;
  }
}
