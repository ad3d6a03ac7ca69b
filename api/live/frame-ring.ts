/** The latest frames of a channel, so that who was away for a moment misses none: bounded in bytes. */

interface Frame {
  readonly sequence: number;
  /** JSON text, made once for all who read it. */
  readonly text: string;
}

export class FrameRing {
  readonly #bytesMax: number;
  #frames: Frame[] = [];
  #bytes = 0;
  #sequence = 0;

  /** @param bytesMax of the texts together; the newest frame is kept whatever its length */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Of the newest frame; 0 before the first. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Where a newcomer begins: some frames back, as far as they are there. */
  behind(frames: number): number {
    return Math.max((this.#frames[0]?.sequence ?? 1) - 1, this.#sequence - frames, 0);
  }

  push(text: string): void {
    this.#frames.push({ sequence: ++this.#sequence, text });
    this.#bytes += text.length;
    let gone = 0;
    while (this.#bytes > this.#bytesMax && gone < this.#frames.length - 1)
      this.#bytes -= this.#frames[gone++]!.text.length;
    if (gone > 0) this.#frames = this.#frames.slice(gone);
  }

  /** Frames behind `sequence`, or undefined where some of them are gone, or it is not one of ours. */
  after(sequence: number): readonly Frame[] | undefined {
    if (sequence > this.#sequence) return undefined;
    const first = this.#frames[0]?.sequence ?? this.#sequence + 1;
    if (sequence < first - 1) return undefined;
    return this.#frames.slice(sequence + 1 - first);
  }
}
