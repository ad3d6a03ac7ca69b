/** What the log has already is left out, and nothing else. */
import { expect, test } from "vitest";
import { createMemoryLog } from "../../../adapters/memory/log.ts";
import { changeId } from "../../../core/change.ts";
import { ManualClock, seededRandomness } from "../../../core/clock.ts";
import { packRecords, payloadOf } from "../../../core/record.ts";
import { Resume } from "../../../workers/capture/resume.ts";

const INCARNATION = 5;

function record(lsn: bigint, index: number, incarnation = INCARNATION): { payload: Uint8Array } {
  const eid = changeId({ incarnation, lsn, index });
  const text = `{"metadata":{"eid":"${eid}","occurred_at":"x"},"n":${index}}`;
  return { payload: new TextEncoder().encode(text) };
}

async function resumed(
  inLog: readonly { payload: Uint8Array | null; key?: string }[],
  incarnation = INCARNATION,
): Promise<Resume> {
  const log = createMemoryLog({
    clock: new ManualClock(1_000_000),
    randomness: seededRandomness(1),
  });
  await log.createStream("t", { partitions: 2, cleanup: "delete", retentionMs: 1e9 });
  for (const one of inLog) await log.append("t", 1, packRecords([one]));
  return Resume.read(
    log,
    [
      { stream: "t", partition: 0 },
      { stream: "t", partition: 1 },
    ],
    incarnation,
    1_000_000,
  );
}

function left(resume: Resume, partition: number, records: readonly { payload: Uint8Array }[]): string[] {
  const part = resume.without({ stream: "t", partition, records: packRecords(records) });
  if (!part) return [];
  return Array.from({ length: part.records.count }, (_, i) =>
    new TextDecoder().decode(payloadOf(part.records, i)!),
  );
}

const texts = (records: readonly { payload: Uint8Array }[]): string[] =>
  records.map(({ payload }) => new TextDecoder().decode(payload));

test("everything up to the last own change, within a transaction and across batches", async () => {
  const all = [record(10n, 0), record(10n, 1), record(10n, 3), record(20n, 0), record(20n, 2)];
  const resume = await resumed(all.slice(0, 3));
  expect(left(resume, 1, all.slice(0, 2))).toEqual([]);
  expect(left(resume, 1, all.slice(2))).toEqual(texts(all.slice(3)));
  expect(left(resume, 1, [record(30n, 0)])).toEqual(texts([record(30n, 0)]));
});

test("other shards' records and those of nobody do not count", async () => {
  const foreign = [
    record(99n, 0, 6),
    { payload: new TextEncoder().encode("{}") },
    { payload: null, key: "k" },
  ];
  const resume = await resumed([record(10n, 0), ...foreign]);
  expect(left(resume, 1, [record(10n, 0), record(11n, 0)])).toEqual(texts([record(11n, 0)]));
});

test("an older change that a former owner has appended late does not bring back what came after it", async () => {
  const resume = await resumed([record(10n, 0), record(12n, 0), record(10n, 0)]);
  expect(left(resume, 1, [record(10n, 0), record(12n, 0), record(13n, 0)])).toEqual(texts([record(13n, 0)]));
});

test("another partition is another matter", async () => {
  const resume = await resumed([record(10n, 0)]);
  expect(left(resume, 0, [record(10n, 0)])).toEqual(texts([record(10n, 0)]));
});

test("the largest places there are", async () => {
  const most = record(2n ** 64n - 1n, 2 ** 30 - 1);
  const resume = await resumed([most]);
  expect(left(resume, 1, [record(2n ** 64n - 1n, 2 ** 30 - 2), most])).toEqual([]);
});
