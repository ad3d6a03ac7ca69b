/**
 * What a log has to remember that Kafka has no place for: who holds what, and how many records were counted. A
 * compacted topic beside the streams, one JSON value per key; the newest by offset holds. It is read on from where it
 * was left whenever somebody asks, so processes see each other's notes.
 */
import { keyOf, packRecords, payloadOf } from "../../core/record.ts";
import { Appender, type AppenderPorts } from "./appender.ts";
import { Reader } from "./reader.ts";
import { createTopic, type TopicOptions } from "./topics.ts";

const READ_BYTES = 1_048_576;

export class Notes {
  readonly #ports: AppenderPorts;
  readonly #name: string;
  readonly #options: TopicOptions;
  readonly #values = new Map<string, unknown>();
  #opened: { readonly appender: Appender; readonly reader: Reader } | undefined;
  #next = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(ports: AppenderPorts, name: string, options: TopicOptions) {
    this.#ports = ports;
    this.#name = name;
    this.#options = options;
  }

  /** As last read. */
  get(key: string): unknown {
    return this.#values.get(key);
  }

  /** As last read. */
  entries(prefix: string): readonly (readonly [key: string, value: unknown])[] {
    return [...this.#values].filter(([key]) => key.startsWith(prefix));
  }

  /** Reads what was noted meanwhile, by anybody. */
  refresh(): Promise<void> {
    this.#reading = this.#reading.catch(() => undefined).then(() => this.#readOn());
    return this.#reading;
  }

  /** Notes all of these at once; undefined forgets. Durable when it resolves. */
  async put(notes: readonly (readonly [key: string, value: unknown])[]): Promise<void> {
    const { appender } = await this.#open(true);
    const records = notes.map(([key, value]) => ({
      key,
      payload: value === undefined ? null : Buffer.from(JSON.stringify(value)),
    }));
    await appender.add(packRecords(records));
    await this.refresh();
  }

  /** Everything whose key begins so. */
  async forget(prefix: string): Promise<void> {
    await this.refresh();
    const notes = this.entries(prefix).map(([key]) => [key, undefined] as const);
    if (notes.length > 0) await this.put(notes);
  }

  async #readOn(): Promise<void> {
    const opened = this.#opened ?? (await this.#open(false));
    if (!opened) return;
    for (;;) {
      const batch = await opened.reader.read(this.#next, READ_BYTES);
      for (let i = 0; i < batch.count; i++) {
        const key = keyOf(batch, i);
        if (!key) continue;
        const payload = payloadOf(batch, i);
        const name = Buffer.from(key).toString();
        if (payload) this.#values.set(name, JSON.parse(Buffer.from(payload).toString()));
        else this.#values.delete(name);
      }
      this.#next = batch.next;
      if (batch.next >= batch.endOffset) return;
    }
  }

  async #open(mustExist: true): Promise<{ readonly appender: Appender; readonly reader: Reader }>;
  async #open(
    mustExist: boolean,
  ): Promise<{ readonly appender: Appender; readonly reader: Reader } | undefined>;
  async #open(
    mustExist: boolean,
  ): Promise<{ readonly appender: Appender; readonly reader: Reader } | undefined> {
    if (this.#opened) return this.#opened;
    const { cluster } = this.#ports;
    const find = (): ReturnType<typeof cluster.topic> =>
      cluster.persist("Kafka cannot be reached", () => cluster.topic(this.#name));
    let topic = await find();
    if (!topic && !mustExist) return undefined;
    if (!topic) {
      const options = { partitions: 1, cleanup: "compact", retentionMs: 0 } as const;
      await createTopic(cluster, this.#name, options, this.#options);
      topic = await find();
    }
    const place = { topic: this.#name, topicId: topic!.id, partition: 0 };
    // Another call may have come first.
    this.#opened ??= {
      appender: new Appender(this.#ports, place),
      reader: new Reader(cluster, this.#name, place),
    };
    return this.#opened;
  }
}
