/** Reads a live stream as a browser would, for tests: frames in order, until told to stop. */

export interface LiveFrame {
  readonly id: string;
  readonly event: string;
  // oxlint-disable-next-line typescript/no-explicit-any -- what a frame holds differs by its event
  readonly data: any;
}

export class LiveReader {
  readonly frames: LiveFrame[] = [];
  /** Lines that are comments. */
  readonly comments: string[] = [];
  isOver = false;
  readonly #abort = new AbortController();

  static async open(url: string, headers: Record<string, string>): Promise<LiveReader> {
    const reader = new LiveReader();
    const response = await fetch(url, { headers, signal: reader.#abort.signal });
    if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
    void reader.read(response.body!);
    return reader;
  }

  async read(body: ReadableStream<Uint8Array>): Promise<void> {
    let rest = "";
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body as unknown as AsyncIterable<Uint8Array>) {
        rest += decoder.decode(chunk, { stream: true });
        const parts = rest.split("\n\n");
        rest = parts.pop()!;
        for (const part of parts) this.#take(part);
      }
    } catch {
      // Closed by us, or cut.
    }
    this.isOver = true;
  }

  #take(part: string): void {
    if (part.startsWith(":")) return void this.comments.push(part);
    const lines = new Map(
      part.split("\n").map((line) => line.split(/: (.*)/s).slice(0, 2) as [string, string]),
    );
    const data: unknown = JSON.parse(lines.get("data") ?? "null");
    this.frames.push({ id: lines.get("id") ?? "", event: lines.get("event") ?? "", data });
  }

  /** Frames of one kind. */
  of(event: string): readonly LiveFrame[] {
    return this.frames.filter((frame) => frame.event === event);
  }

  close(): void {
    this.#abort.abort();
  }
}
