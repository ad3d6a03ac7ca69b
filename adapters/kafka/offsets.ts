/**
 * Where partitions begin and end, and which offset belongs to a time. Who asks for the ends of one partition mostly
 * asks for its siblings' next, so all that anybody wants to know at a time is asked in one request per broker, and an
 * answer is good for a moment.
 */
import { type Connection, listOffsetsV7 } from "@platformatic/kafka";
import type { Cluster } from "./cluster.ts";
import { CODE, Refusal } from "./failure.ts";

const LATEST = -1;
const EARLIEST = -2;
const COMMITTED = 1;

export interface Ends {
  readonly startOffset: number;
  readonly endOffset: number;
}

type Response = ReturnType<typeof listOffsetsV7.parseResponse>;

/**
 * One answer per partition of a topic, in order.
 * @param timestamp ms, or LATEST or EARLIEST
 * @throws Refusal of the first partition that has one, and what connections throw
 */
async function offsetsOf(
  cluster: Cluster,
  topics: ReadonlyMap<string, readonly number[]>,
  timestamp: number,
): Promise<ReadonlyMap<string, number>> {
  const byNode = new Map<number, { connection: Connection; topics: Map<string, number[]> }>();
  for (const [topic, partitions] of topics)
    for (const partition of partitions) {
      const { node, connection } = await cluster.leader(topic, partition, "read");
      let asked = byNode.get(node);
      if (!asked) byNode.set(node, (asked = { connection, topics: new Map() }));
      const list = asked.topics.get(topic);
      if (list) list.push(partition);
      else asked.topics.set(topic, [partition]);
    }
  const found = new Map<string, number>();
  const ask = async ({
    connection,
    topics: some,
  }: {
    connection: Connection;
    topics: Map<string, number[]>;
  }) => {
    const wanted = [...some].map(([name, partitions]) => ({
      name,
      partitions: partitions.map((partitionIndex) => ({
        partitionIndex,
        currentLeaderEpoch: -1,
        timestamp: BigInt(timestamp),
      })),
    }));
    for (const { name, partitions } of (await answered(connection, wanted)).topics)
      for (const { partitionIndex, errorCode, offset } of partitions) {
        if (errorCode !== CODE.none) throw new Refusal(errorCode, `${name}/${partitionIndex}`);
        found.set(`${name}/${partitionIndex}`, Number(offset));
      }
  };
  await Promise.all([...byNode.values()].map(ask));
  return found;
}

async function answered(
  connection: Connection,
  wanted: Parameters<typeof listOffsetsV7.createRequest>[2],
): Promise<Response> {
  try {
    return await listOffsetsV7.api.async(connection, -1, COMMITTED, wanted);
  } catch (error) {
    const { response } = error as { response?: Response };
    if (response?.topics) return response;
    throw error;
  }
}

/** The first offset whose record has a time ≥ `timestampMs`; undefined where none has. */
export async function offsetAtTime(
  cluster: Cluster,
  topic: string,
  partition: number,
  timestampMs: number,
): Promise<number | undefined> {
  const found = await offsetsOf(
    cluster,
    new Map([[topic, [partition]]]),
    Math.max(0, Math.ceil(timestampMs)),
  );
  const offset = found.get(`${topic}/${partition}`) ?? -1;
  return offset < 0 ? undefined : offset;
}

export async function endsNow(cluster: Cluster, topic: string, partition: number): Promise<Ends> {
  const asked = new Map([[topic, [partition]]]);
  const place = `${topic}/${partition}`;
  const [ends, starts] = await Promise.all([
    offsetsOf(cluster, asked, LATEST),
    offsetsOf(cluster, asked, EARLIEST),
  ]);
  // Asked for at the same time, but answered one after the other: retention may have passed in between.
  const startOffset = starts.get(place) ?? 0;
  return { startOffset, endOffset: Math.max(startOffset, ends.get(place) ?? 0) };
}

/** The ends of all partitions of some topics, good for a moment. */
export class EndsCache {
  readonly #cluster: Cluster;
  readonly #freshMs: number;
  readonly #known = new Map<string, { readonly ends: readonly Ends[]; readonly askedMs: number }>();
  readonly #notBeforeMs = new Map<string, number>();
  /** [topic][partition] how far it was read, and when. */
  readonly #read = new Map<string, { readonly endOffset: number; readonly atMs: number }[]>();
  /** Topics that wait for the next request. */
  #waiting: { readonly topics: Set<string>; readonly done: Promise<void> } | undefined;

  /** [topic][partition] how far it is known to go. */
  readonly #reached = new Map<string, number[]>();
  readonly #onGrowth: () => void;

  /** @param onGrowth somebody else appended to a topic that was asked for before */
  constructor(cluster: Cluster, freshMs: number, onGrowth: () => void) {
    this.#cluster = cluster;
    this.#freshMs = freshMs;
    this.#onGrowth = onGrowth;
  }

  /** This process appended up to here. What was asked before now does not know it. */
  appended(topic: string, partition: number, endOffset: number): void {
    this.#notBeforeMs.set(topic, this.#cluster.clock.monotonicMs());
    this.#reach(topic, partition, endOffset);
  }

  /** Whoever read so far is never told of an end before that, by an answer that is older. */
  wasRead(topic: string, partition: number, endOffset: number): void {
    let places = this.#read.get(topic);
    if (!places) this.#read.set(topic, (places = []));
    places[partition] = { endOffset, atMs: this.#cluster.clock.monotonicMs() };
    const known = this.#known.get(topic);
    const ends = known?.ends[partition];
    if (!known || !ends || ends.endOffset >= endOffset) return;
    this.#known.set(topic, { ...known, ends: known.ends.with(partition, { ...ends, endOffset }) });
  }

  /** [partition] @throws Refusal, and what connections throw */
  async of(topic: string): Promise<readonly Ends[]> {
    const known = this.#fresh(topic, this.#cluster.clock.monotonicMs() - this.#freshMs);
    if (known) return known;
    const calledMs = this.#cluster.clock.monotonicMs();
    await this.#ask(topic);
    // What is appended from now on needs not be in it: somebody who appends all the time must not keep others waiting.
    const found = this.#asked(topic, calledMs)?.ends;
    if (!found) throw new Refusal(CODE.unknownTopicOrPartition, topic);
    return found;
  }

  #fresh(topic: string, sinceMs: number): readonly Ends[] | undefined {
    const known = this.#asked(topic, sinceMs);
    return known && known.askedMs >= (this.#notBeforeMs.get(topic) ?? -Infinity) ? known.ends : undefined;
  }

  #asked(
    topic: string,
    sinceMs: number,
  ): { readonly ends: readonly Ends[]; readonly askedMs: number } | undefined {
    const known = this.#known.get(topic);
    return known && known.askedMs >= sinceMs ? known : undefined;
  }

  #ask(topic: string): Promise<void> {
    if (this.#waiting) {
      this.#waiting.topics.add(topic);
      return this.#waiting.done;
    }
    const topics = new Set([topic]);
    const done = new Promise((resolve) => setImmediate(resolve)).then(() => {
      this.#waiting = undefined;
      return this.load([...topics]);
    });
    this.#waiting = { topics, done };
    return done;
  }

  /** Asks for all of these now. */
  async load(names: readonly string[]): Promise<void> {
    const askedMs = this.#cluster.clock.monotonicMs();
    const topics = new Map<string, readonly number[]>();
    for (const name of names) {
      const topic = await this.#cluster.topic(name);
      if (topic) topics.set(name, [...topic.leaders.keys()]);
    }
    const [ends, starts] = await Promise.all([
      offsetsOf(this.#cluster, topics, LATEST),
      offsetsOf(this.#cluster, topics, EARLIEST),
    ]);
    let hasGrown = false;
    for (const [name, partitions] of topics) {
      const list = partitions.map((partition) => {
        const startOffset = starts.get(`${name}/${partition}`) ?? 0;
        const read = this.#read.get(name)?.[partition];
        const readOffset = read && read.atMs >= askedMs ? read.endOffset : 0;
        const endOffset = Math.max(startOffset, readOffset, ends.get(`${name}/${partition}`) ?? 0);
        return { startOffset, endOffset };
      });
      this.#known.set(name, { ends: list, askedMs });
      for (const [partition, { endOffset }] of list.entries())
        if (this.#reach(name, partition, endOffset)) hasGrown = true;
    }
    if (hasGrown) this.#onGrowth();
  }

  /** @returns whether it goes further than was known; what was not known at all is no news */
  #reach(topic: string, partition: number, endOffset: number): boolean {
    let reached = this.#reached.get(topic);
    if (!reached) this.#reached.set(topic, (reached = []));
    const before = reached[partition];
    reached[partition] = Math.max(before ?? 0, endOffset);
    return before !== undefined && endOffset > before;
  }
}
