/**
 * What consumers still need. The names are durable: after a start nothing is removed until every consumer known
 * from before has declared its holds again, since a hold that is merely late must not cost data. The offsets are
 * written when retention looks at them; the ones that count are those declared since the start.
 */
import { join } from "node:path";

import type { Hold } from "../../core/ports/log.ts";
import { type Disk, replaceFile } from "./disk.ts";

const NAME = "holds.json";

export class Holds {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #declared = new Map<string, readonly Hold[]>();
  /** Consumers from before the start that have not spoken yet, with what they held. */
  readonly #awaited: Map<string, readonly Hold[]>;
  /** "partition stream" → offset */
  #lowest: Map<string, number> | undefined;
  #saving: Promise<void> = Promise.resolve();
  /** A name came or went since the file was written. */
  #isDirty = false;

  private constructor(disk: Disk, path: string, awaited: Map<string, readonly Hold[]>) {
    this.#disk = disk;
    this.#path = path;
    this.#awaited = awaited;
  }

  static async open(disk: Disk, directory: string): Promise<Holds> {
    const path = join(directory, NAME);
    const bytes = await disk.readFile(path);
    const known: [string, readonly Hold[]][] = bytes ? JSON.parse(Buffer.from(bytes).toString()) : [];
    return new Holds(disk, path, new Map(known));
  }

  /** Consumers that have not declared their holds since the start. */
  get awaited(): readonly string[] {
    return [...this.#awaited.keys()];
  }

  /** Resolves when the consumer's name is durable, or durably forgotten. */
  async declare(consumer: string, holds: readonly Hold[]): Promise<void> {
    if (this.isKnown(consumer) !== holds.length > 0) this.#isDirty = true;
    this.#awaited.delete(consumer);
    this.#lowest = undefined;
    if (holds.length > 0) this.#declared.set(consumer, [...holds]);
    else this.#declared.delete(consumer);
    await (this.#isDirty ? this.save() : this.#saving);
  }

  isKnown(consumer: string): boolean {
    return this.#declared.has(consumer) || this.#awaited.has(consumer);
  }

  /** Infinity where nobody holds anything. */
  lowest(stream: string, partition: number): number {
    this.#lowest ??= lowestOf([...this.#declared.values()].flat());
    return this.#lowest.get(`${partition} ${stream}`) ?? Infinity;
  }

  save(): Promise<void> {
    const next = this.#saving
      .catch(() => {}) // its own caller was told
      .then(() => {
        this.#isDirty = false;
        const all = [...this.#awaited, ...this.#declared];
        return replaceFile(this.#disk, this.#path, Buffer.from(JSON.stringify(all)));
      })
      .catch((error: unknown) => {
        this.#isDirty = true;
        throw error;
      });
    this.#saving = next;
    return next;
  }
}

function lowestOf(holds: readonly Hold[]): Map<string, number> {
  const lowest = new Map<string, number>();
  for (const { stream, partition, offset } of holds) {
    const key = `${partition} ${stream}`;
    lowest.set(key, Math.min(offset, lowest.get(key) ?? Infinity));
  }
  return lowest;
}
