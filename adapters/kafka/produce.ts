/**
 * Sends batches to the leaders of their partitions: what is waiting for one leader at the same time goes in one
 * request. A partition has at most one batch under way (appender.ts sees to that), so order needs nothing else.
 *
 * A topic is named by its identity wherever the brokers take that: one that was made anew is never written to.
 */
import { type Connection, Writer } from "@platformatic/kafka";
import type { Cluster, Place } from "./cluster.ts";
import { CODE, Refusal } from "./failure.ts";

const PRODUCE = 0;
const VERSION_BY_NAME = 9;
const VERSION_BY_ID = 13;
const ALL_REPLICAS = -1;
/** Of one request, but for a single batch that is larger. */
const REQUEST_BYTES_MAX = 16 * 1_048_576;

export interface Produced {
  readonly baseOffset: number;
  /** The broker's time; -1 where the topic keeps its producers' times. */
  readonly ingestMs: number;
}

interface Parcel {
  readonly place: Place;
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
  async send(place: Place, bytes: Buffer): Promise<Produced> {
    const { node } = await this.#cluster.leader(place.topic, place.partition, "write");
    return new Promise((done, failed) => {
      const parcel = { place, bytes, done, failed };
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
      answers = await produce(connection, parcels, this.#cluster);
    } catch (error) {
      for (const { failed } of parcels) failed(error);
      return;
    }
    for (const { place, done, failed } of parcels) {
      const answer = answers.get(`${nameOf(place, this.#cluster)}/${place.partition}`);
      const what = `${place.topic}/${place.partition}`;
      if (answer?.code === CODE.none) done(answer);
      else failed(new Refusal(answer?.code ?? CODE.requestTimedOut, what, answer?.words));
    }
  }
}

function produce(
  connection: Connection,
  parcels: readonly Parcel[],
  cluster: Cluster,
): Promise<ReadonlyMap<string, Answer>> {
  const { requestMs, writesById } = cluster;
  const byTopic = Map.groupBy(parcels, ({ place }) => nameOf(place, cluster));
  const request = (): Writer =>
    Writer.create()
      .appendString(null) // no transaction
      .appendInt16(ALL_REPLICAS)
      .appendInt32(Math.floor(requestMs / 2)) // the broker's own patience ends before ours
      .appendArray([...byTopic], (writer, [topic, some]) => {
        if (writesById) writer.appendUUID(topic);
        else writer.appendString(topic);
        writer.appendArray([...some], (inner, { place, bytes }) => {
          inner
            .appendInt32(place.partition)
            .appendUnsignedVarInt(bytes.length + 1)
            .append(bytes);
        });
      })
      .appendTaggedFields();
  return new Promise((resolve, reject) => {
    const version = writesById ? VERSION_BY_ID : VERSION_BY_NAME;
    connection.send(PRODUCE, version, request, parseAnswers, true, true, (error, answers) => {
      if (error) reject(error);
      else resolve(answers as ReadonlyMap<string, Answer>);
    });
  });
}

/** What a request and its answer call a topic. */
function nameOf({ topic, topicId }: Place, { writesById }: Cluster): string {
  return writesById ? topicId : topic;
}

type Reader = Parameters<Parameters<Connection["send"]>[3]>[3];

function parseAnswers(
  _id: number,
  _key: number,
  version: number,
  reader: Reader,
): ReadonlyMap<string, Answer> {
  const answers = new Map<string, Answer>();
  reader.readArray((topicReader) => {
    const topic = version === VERSION_BY_ID ? topicReader.readUUID() : topicReader.readString();
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
