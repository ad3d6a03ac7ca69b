/**
 * Sends batches to the leaders of their partitions: what is waiting for one leader at the same time goes in one
 * request. A partition has at most one batch under way (appender.ts sees to that), so order needs nothing else.
 */
import { type Connection, Writer } from "@platformatic/kafka";
import type { Cluster, Place } from "./cluster.ts";
import { CODE, Refusal } from "./failure.ts";

const PRODUCE = 0;
const VERSION = 9;
const ALL_REPLICAS = -1;
/** Of one request, but for a single batch that is larger. */
const REQUEST_BYTES_MAX = 16 * 1_048_576;

export interface Produced {
  readonly baseOffset: number;
  /** The broker's time; -1 where the topic keeps its producers' times. */
  readonly ingestMs: number;
}

interface Parcel {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
  readonly done: (result: Produced) => void;
  readonly failed: (error: unknown) => void;
}

type Answer = Produced & { readonly code: number; readonly words: string | null };

export class Sender {
  readonly #cluster: Cluster;
  readonly #waiting = new Map<number, Parcel[]>();

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
  }

  /**
   * @throws Refusal where the broker says that it is not stored, NotSent where no request left; after any other error
   *   it may be stored
   */
  async send({ topic, partition }: Place, bytes: Buffer): Promise<Produced> {
    const { node } = await this.#cluster.leader(topic, partition, "write");
    return new Promise((done, failed) => {
      const parcel = { topic, partition, bytes, done, failed };
      const waiting = this.#waiting.get(node);
      if (waiting) waiting.push(parcel);
      else {
        this.#waiting.set(node, [parcel]);
        setImmediate(() => void this.#flush(node));
      }
    });
  }

  async #flush(node: number): Promise<void> {
    const parcels = this.#waiting.get(node) ?? [];
    this.#waiting.delete(node);
    const groups: Parcel[][] = [];
    let bytes = Infinity;
    for (const parcel of parcels) {
      bytes += parcel.bytes.length;
      if (bytes > REQUEST_BYTES_MAX) {
        groups.push([]);
        bytes = parcel.bytes.length;
      }
      groups.at(-1)!.push(parcel);
    }
    await Promise.all(groups.map((group) => this.#post(node, group)));
  }

  async #post(node: number, parcels: readonly Parcel[]): Promise<void> {
    let answers: ReadonlyMap<string, Answer>;
    try {
      const connection = await this.#cluster.connectionTo(node, "write");
      answers = await produce(connection, parcels, this.#cluster.requestMs);
    } catch (error) {
      for (const { failed } of parcels) failed(error);
      return;
    }
    for (const { topic, partition, done, failed } of parcels) {
      const answer = answers.get(`${topic}/${partition}`);
      if (answer?.code === CODE.none) done(answer);
      else failed(new Refusal(answer?.code ?? CODE.requestTimedOut, `${topic}/${partition}`, answer?.words));
    }
  }
}

function produce(
  connection: Connection,
  parcels: readonly Parcel[],
  timeoutMs: number,
): Promise<ReadonlyMap<string, Answer>> {
  const byTopic = Map.groupBy(parcels, ({ topic }) => topic);
  const request = (): Writer =>
    Writer.create()
      .appendString(null) // no transaction
      .appendInt16(ALL_REPLICAS)
      .appendInt32(Math.floor(timeoutMs / 2)) // the broker's own patience ends before ours
      .appendArray([...byTopic], (writer, [topic, some]) => {
        writer.appendString(topic).appendArray([...some], (inner, { partition, bytes }) => {
          inner
            .appendInt32(partition)
            .appendUnsignedVarInt(bytes.length + 1)
            .append(bytes);
        });
      })
      .appendTaggedFields();
  return new Promise((resolve, reject) => {
    connection.send(PRODUCE, VERSION, request, parseAnswers, true, true, (error, answers) => {
      if (error) reject(error);
      else resolve(answers as ReadonlyMap<string, Answer>);
    });
  });
}

type Reader = Parameters<Parameters<Connection["send"]>[3]>[3];

function parseAnswers(
  _id: number,
  _key: number,
  _version: number,
  reader: Reader,
): ReadonlyMap<string, Answer> {
  const answers = new Map<string, Answer>();
  reader.readArray((topicReader) => {
    const topic = topicReader.readString();
    topicReader.readArray((inner) => {
      const partition = inner.readInt32();
      const code = inner.readInt16();
      const baseOffset = Number(inner.readInt64());
      const ingestMs = Number(inner.readInt64());
      inner.readInt64(); // where the partition's log begins
      const words = inner.readArray((record) => {
        record.readInt32();
        return record.readNullableString();
      });
      const message = inner.readNullableString() ?? words.find((one) => one !== null) ?? null;
      answers.set(`${topic}/${partition}`, { code, baseOffset, ingestMs, words: message });
    });
  });
  reader.readInt32();
  reader.readTaggedFields();
  return answers;
}
