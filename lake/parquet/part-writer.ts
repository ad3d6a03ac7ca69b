/** A writer for which large parts are not copied until all are known. */
import { ByteWriter } from "hyparquet-writer";

export class PartWriter extends ByteWriter {
  readonly #parts: Uint8Array[] = [];

  /** @param part not to be changed afterwards */
  appendPart(part: Uint8Array): void {
    this.#flush();
    this.#parts.push(part);
    this.offset += part.length;
  }

  override getBytes(): Uint8Array<ArrayBuffer> {
    this.#flush();
    const bytes = new Uint8Array(this.offset);
    let at = 0;
    for (const part of this.#parts) {
      bytes.set(part, at);
      at += part.length;
    }
    return bytes;
  }

  #flush(): void {
    if (this.index === 0) return;
    this.#parts.push(new Uint8Array(this.buffer.slice(0, this.index)));
    this.index = 0;
  }
}
