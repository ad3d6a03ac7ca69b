/** Chains of records: canonical text against another implementation, and every way of tampering found at its place. */
import { describe, expect, test } from "vitest";
import {
  type AuditBreak,
  AuditChains,
  type AuditRecord,
  auditText,
  eidOf,
  NO_HASH,
  sealed,
  sha256Hex,
} from "../../core/audit.ts";
import { type CanonicalValue, canonicalJson } from "../../core/canonical-json.ts";
import { seededRandomness } from "../../core/clock.ts";
import { runPython } from "../services/python.ts";

const ORACLE = `
import sys, json, rfc8785
print(json.dumps([rfc8785.dumps(value).decode() for value in json.loads(sys.argv[1])]))
`;

test("the canonical text is that of another implementation of RFC 8785", async () => {
  const seed = Number(process.env["MUARA_SEED"] ?? 5);
  const randomness = seededRandomness(seed);
  const below = (n: number): number => Math.floor(randomness.fraction() * n);
  const texts = [
    "",
    "a",
    "A",
    "é",
    "\u20ac",
    "\ud83d\ude00",
    "\ufb33",
    "\r\n\t\u0000\u001f\u007f",
    '"\\/',
    "__proto__",
    "1",
    "\u2028",
  ];
  const make = (depth: number): CanonicalValue => {
    const kind = below(depth > 3 ? 4 : 6);
    if (kind === 0) return texts[below(texts.length)]! + String.fromCharCode(below(0x800));
    if (kind === 1)
      return [0, -0, 1.5, 1e21, 1e-7, 9_007_199_254_740_991, below(1e9) / 1e3, -below(1e6)][below(8)]!;
    if (kind === 2) return below(2) === 0;
    if (kind === 3) return null;
    const items = Array.from({ length: below(5) }, () => make(depth + 1));
    if (kind === 4) return items;
    return Object.fromEntries(items.map((item) => [texts[below(texts.length)]! + below(3), item]));
  };
  const values = Array.from({ length: 400 }, () => make(0));
  const expected = await runPython(ORACLE, [JSON.stringify(values)], { set: "tokens" });
  expect({ seed, texts: values.map((value) => canonicalJson(value)) }).toEqual({ seed, texts: expected });
  expect(() => canonicalJson("\ud800")).toThrow("surrogate");
  expect(canonicalJson({ b: undefined, a: 1 })).toBe('{"a":1}');
});

/** Three writers, one of them begun by the log's beginning, one in between, one at the end of another. */
async function chain(): Promise<AuditRecord[]> {
  const records: AuditRecord[] = [];
  const heads = new Map<string, AuditRecord>();
  for (const writer of ["a", "a", "a", "b", "a", "b", "b", "c", "c", "b"]) {
    const before = heads.get(writer);
    const last = records.at(-1);
    const record = await sealed({
      action: "changed",
      resource_type: "role",
      resource_id: `r${records.length}`,
      user: "token:x",
      user_hash: await sha256Hex("token:x"),
      occurred_at: `2026-03-01T00:00:0${records.length}.000Z`,
      writer,
      sequence: (before?.sequence ?? 0) + 1,
      previous_hash: (before ?? last)?.hash ?? NO_HASH,
      ...(before || !last ? {} : { follows: eidOf(last) }),
    });
    heads.set(writer, record);
    records.push(record);
  }
  return records;
}

async function firstBreak(records: readonly AuditRecord[]): Promise<AuditBreak | undefined> {
  const chains = new AuditChains();
  for (const record of records) {
    const broken = await chains.take(record, eidOf(record));
    if (broken) return broken;
  }
  return undefined;
}

/** With the hash as it would be: by somebody who knows how it is made. */
const forged = (
  { hash: _hash, ...record }: AuditRecord,
  change: Partial<AuditRecord>,
): Promise<AuditRecord> => sealed({ ...record, ...change });

describe("tampering", () => {
  test("is not found where there is none, and the heads are the last of each writer", async () => {
    const records = await chain();
    expect(await firstBreak(records)).toBeUndefined();
    const chains = new AuditChains();
    for (const record of records) await chains.take(record, eidOf(record));
    expect(chains.heads.map(eidOf).toSorted()).toEqual(["a:4", "b:4", "c:2"]);
    expect([chains.count, chains.has(records[3]!.hash), chains.has(NO_HASH)]).toEqual([10, true, false]);
  });

  test("with any member of any record is found there, with or without a new hash", async () => {
    const records = await chain();
    for (const [i, record] of records.entries())
      for (const member of Object.keys(record) as (keyof AuditRecord)[]) {
        const value = typeof record[member] === "number" ? record[member] + 1 : `${record[member]}x`;
        const plain = records.with(i, { ...record, [member]: value });
        expect((await firstBreak(plain))?.at, `${member} of ${i}`).toBe(eidOf(plain[i]!));
        if (member === "hash") continue;
        const clever = records.with(i, await forged(record, { [member]: value }));
        const isLast = !records
          .slice(i + 1)
          .some((one) => one.writer === record.writer || one.follows === eidOf(record));
        const isFree =
          isLast && !["writer", "sequence", "previous_hash", "follows", "user", "user_hash"].includes(member);
        expect((await firstBreak(clever)) === undefined, `${member} of ${i}, hashed anew`).toBe(isFree);
      }
  });

  test("by taking records out is found, except the end of a writer that none began after", async () => {
    const records = await chain();
    for (let i = 0; i < records.length; i++) {
      const isEnd = [4, 8, 9].includes(i); // a:4, c:2 and b:4: nothing came after them, nor began there
      expect((await firstBreak(records.toSpliced(i, 1))) === undefined, `without ${i}`).toBe(isEnd);
    }
    // A writer's whole end, which the next one followed.
    expect(await firstBreak(records.filter((one) => one.writer !== "a" || one.sequence < 3))).toMatchObject({
      at: "b:1",
    });
    expect(await firstBreak(records.slice(3))).toMatchObject({ at: "b:1" });
  });

  test("by putting in, doubling or changing places is found", async () => {
    const records = await chain();
    for (let i = 0; i < records.length; i++) {
      expect(await firstBreak(records.toSpliced(i, 0, records[i]!)), `${i} twice`).toBeDefined();
      const { follows: _follows, hash: _hash, ...anew } = records[i]!;
      const put = await sealed({ ...anew, writer: "new", sequence: 1, previous_hash: NO_HASH });
      const at = i === 0 ? "a:1" : "new:1"; // at the front what is put in is a beginning, and the old one is none
      expect(await firstBreak(records.toSpliced(i, 0, put))).toMatchObject({ at });
    }
    expect(await firstBreak([records[1]!, records[0]!, ...records.slice(2)])).toMatchObject({ at: "a:2" });
    const chains = new AuditChains();
    expect(await chains.take(records[0]!, "a:2")).toMatchObject({ at: "a:1" });
  });
});

test("secrets' hashes are not in a record, nor are texts of any length", async () => {
  expect(await auditText({ id: "x", hash: "ab", deep: [{ hash: 1, a: "\ud800" }] })).toBe(
    '{"id":"x","deep":[{"a":"\\ud800"}]}',
  );
  expect(await auditText({ url: "https://hooks.test/T0/B1/secret?x=1", secret: "s", name: "n" })).toBe(
    '{"url":"https://hooks.test","name":"n"}',
  );
  expect([await auditText(null), await auditText(undefined)]).toEqual([undefined, undefined]);
  expect(JSON.parse((await auditText("x".repeat(200_000)))!)).toEqual({
    sha256: await sha256Hex(JSON.stringify("x".repeat(200_000))),
    characters: 200_002,
  });
});
