/** Fetches of stored batches, as bytes, by the identity of their topic: a topic made anew is another. */
import { type Connection, fetchV13 } from "@platformatic/kafka";
import type { AbortedTransaction } from "./batch-head.ts";
import type { Cluster, Place } from "./cluster.ts";
import { CODE, Refusal } from "./failure.ts";

const FETCH = 1;
const VERSION = 13;
const COMMITTED = 1;
/** Without a session: each fetch says all that it wants. */
const SESSION = [0, -1] as const;
const FETCH_BYTES_MAX = 64 * 1_048_576;
/** A tagged field of a partition. */
const DIVERGING_EPOCH = 0;

export interface Fetched {
  /** Whole batches from the one on that holds the offset, then perhaps a part of one. */
  readonly bytes: Buffer;
  readonly aborted: readonly AbortedTransaction[];
  /** The last stable offset: up to there readers may read. */
  readonly endOffset: number;
  readonly startOffset: number;
  /** The broker wants less to be asked of it for so long, ms. */
  readonly throttledMs: number;
  /** The partition was cut off there since the epoch that was named: what was read behind it is gone. */
  readonly cutOffAt: number | undefined;
}

/**
 * @param maxBytes of what is stored; a batch at least
 * @param waitMs how long the broker may wait for the first byte
 * @param readEpoch of the leader whose batch was read just before the offset (KIP-595); -1: not known
 * @throws Refusal, and what a connection throws
 */
export async function fetchBatches(
  cluster: Cluster,
  { topic, topicId, partition }: Place,
  offset: number,
  maxBytes: number,
  waitMs = 0,
  readEpoch = -1,
): Promise<Fetched> {
  const { connection } = await cluster.leader(topic, partition, "read");
  const wanted = {
    partition,
    currentLeaderEpoch: -1,
    fetchOffset: BigInt(offset),
    lastFetchedEpoch: readEpoch,
    partitionMaxBytes: maxBytes,
  };
  const topics = [{ topicId, partitions: [wanted] }];
  const request = (): ReturnType<typeof fetchV13.createRequest> =>
    fetchV13.createRequest(waitMs, 1, FETCH_BYTES_MAX, COMMITTED, ...SESSION, topics, [], "");
  const { code, ...fetched } = await new Promise<Fetched & { code: number }>((resolve, reject) => {
    connection.send(FETCH, VERSION, request, parseFetched, true, true, (error, answer) => {
      if (error) reject(error);
      else resolve(answer as Fetched & { code: number });
    });
  });
  if (code !== CODE.none) throw new Refusal(code, `${topic}/${partition}`);
  return fetched;
}

type Reader = Parameters<Parameters<Connection["send"]>[3]>[3];

function parseFetched(
  _id: number,
  _key: number,
  _version: number,
  reader: Reader,
): Fetched & { code: number } {
  const throttledMs = reader.readInt32();
  let code = reader.readInt16();
  reader.readInt32(); // session
  let fetched: Fetched = {
    bytes: Buffer.alloc(0),
    aborted: [],
    endOffset: 0,
    startOffset: 0,
    throttledMs,
    cutOffAt: undefined,
  };
  const readPartition = (inner: Reader): void => {
    inner.readInt32(); // partition
    code = inner.readInt16();
    inner.readInt64(); // high watermark
    const endOffset = Number(inner.readInt64());
    const startOffset = Number(inner.readInt64());
    const aborted = inner.readArray((one) => {
      const producerId = one.readInt64();
      return { producerId, firstOffset: Number(one.readInt64()) };
    });
    inner.readInt32(); // preferred replica
    const bytes = inner.readBytes();
    const cutOffAt = readDivergence(inner);
    fetched = { bytes, aborted, endOffset, startOffset, throttledMs, cutOffAt };
  };
  reader.readArray((topicReader) => {
    topicReader.readUUID();
    topicReader.readArray(readPartition, true, false);
  });
  return { ...fetched, code };
}

/** Of a partition's tagged fields: where the named epoch ended, if it is not what was read. */
function readDivergence(reader: Reader): number | undefined {
  let cutOffAt: number | undefined;
  for (let count = reader.readUnsignedVarInt(); count > 0; count--) {
    const tag = reader.readUnsignedVarInt();
    const end = reader.readUnsignedVarInt() + reader.position;
    if (tag === DIVERGING_EPOCH) {
      reader.readInt32(); // the epoch there
      cutOffAt = Number(reader.readInt64());
    }
    reader.skip(end - reader.position);
  }
  return cutOffAt;
}
