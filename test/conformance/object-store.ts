/**
 * What every ObjectStore must do. Framework-free: run each case over a fresh, empty store.
 * A test file binds it: `it.each(objectStoreCases)("%s", (_name, run) => run({ open }))`.
 */
import assert from "node:assert/strict";
import { hasCode } from "../../core/errors.ts";
import type { ObjectStore, PutOutcome } from "../../core/ports/object-store.ts";

export interface ObjectStoreHarness {
  /** A fresh, empty store. */
  readonly open: () => Promise<ObjectStore>;
}
export type ObjectStoreCase = readonly [name: string, run: (harness: ObjectStoreHarness) => Promise<void>];

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const textOf = (bytes: Uint8Array | undefined): string | undefined =>
  bytes && new TextDecoder().decode(bytes);

function etagOf(outcome: PutOutcome): string {
  assert.equal(outcome.outcome, "done");
  return outcome.outcome === "done" ? outcome.etag : "";
}

/** Bytes that no two offsets share for long, so that a wrong range shows. */
function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >>> 8) * 7 + (at >>> 16)) & 255;
  return bytes;
}

/** Names as Spark writes them: they may be read and never written. */
const FOREIGN_PATHS = [
  "t/city=S\u00e3o Paulo/part-1.parquet",
  "t/p=a b,c@d(e)/x",
  "t/\u65e5=1/x",
  "a b",
  "\u00e4",
];

const UNSAFE_PATHS = [
  "",
  "/",
  "/etc/passwd",
  "..",
  "../x",
  "a/../b",
  "a/./b",
  "a//b",
  "a/",
  "a/.hidden",
  ".store/x",
  "a\\b",
  "a\0b",
  "a?b",
  "a#b",
  "a:b",
  "a/ b",
  "a/x]",
  "a/*",
  "x".repeat(300),
  "ab/".repeat(400) + "c",
];

export const objectStoreCases: readonly ObjectStoreCase[] = [
  [
    "what was put is read back, whole, and overwritten by the next put",
    async ({ open }) => {
      const store = await open();
      await store.put("a/b/c.json", bytesOf("one"));
      assert.equal(textOf(await store.get("a/b/c.json")), "one");
      await store.put("a/b/c.json", bytesOf("two, longer"));
      assert.equal(textOf(await store.get("a/b/c.json")), "two, longer");
      await store.put("a/b/c.json", bytesOf("3"));
      assert.equal(textOf(await store.get("a/b/c.json")), "3");
    },
  ],
  [
    "absence is undefined, also of folders and below objects",
    async ({ open }) => {
      const store = await open();
      await store.put("a/b/c", bytesOf("x"));
      for (const path of ["x", "x/y", "a", "a/b", "a/b/c/d", "a/b/d"]) {
        assert.equal(await store.get(path), undefined, path);
        assert.equal(await store.getRange(path, 0, 1), undefined, path);
        assert.equal(await store.head(path), undefined, path);
      }
      assert.deepEqual(await store.list("x"), []);
    },
  ],
  [
    "bytes that are read part by part are the same, and overwrite; where reading fails nothing changes",
    async ({ open }) => {
      const store = await open();
      if (!store.putFrom) return; // a wrapper, or memory, where parts save nothing
      for (const size of [0, 1, 1_048_576, 17 * 1_048_576 + 3]) {
        const bytes = pattern(size);
        const read = async (at: number, length: number): Promise<Uint8Array> => bytes.slice(at, at + length);
        await store.put("x", bytesOf("before"));
        await store.putFrom("x", { bytes: size, read });
        assert.ok(Buffer.from((await store.get("x"))!).equals(bytes), String(size));
        assert.equal((await store.head("x"))!.bytes, size);
      }
      await store.put("x", bytesOf("before"));
      const broken = { bytes: 17 * 1_048_576, read: () => Promise.reject(new Error("cannot be read")) };
      await assert.rejects(store.putFrom("x", broken), /cannot be read/);
      assert.equal(textOf(await store.get("x")), "before");
      assert.deepEqual(
        (await store.list("")).map(({ path }) => path),
        ["x"],
      );
    },
  ],
  [
    "sizes 0, 1 and 5 MiB survive, with their ranges",
    async ({ open }) => {
      const store = await open();
      for (const size of [0, 1, 5 * 1024 * 1024 + 3]) {
        const bytes = pattern(size);
        await store.put(`put-${size}`, bytes);
        assert.equal((await store.putIfAbsent(`absent-${size}`, bytes)).outcome, "done");
        for (const path of [`put-${size}`, `absent-${size}`]) {
          assert.ok(Buffer.from((await store.get(path))!).equals(bytes), path);
          const head = (await store.head(path))!;
          assert.equal(head.bytes, size);
          assert.equal(head.path, path);
          for (const [at, length] of [
            [0, size],
            [0, 1],
            [size >> 1, 1000],
            [Math.max(0, size - 2), 2],
            [Math.max(0, size - 2), 100],
            [size, 10],
            [size + 10, 10],
            [0, 0],
          ] as const) {
            const range = (await store.getRange(path, at, length))!;
            assert.ok(Buffer.from(range).equals(bytes.subarray(at, at + length)), `${path} ${at}+${length}`);
          }
        }
      }
    },
  ],
  [
    "a caller may reuse its buffer, and change what it read",
    async ({ open }) => {
      const store = await open();
      const bytes = bytesOf("abc");
      await store.put("x", bytes);
      bytes.fill(0);
      const read = (await store.get("x"))!;
      assert.equal(textOf(read), "abc");
      read.fill(0);
      assert.equal(textOf(await store.get("x")), "abc");
    },
  ],
  [
    "put-if-absent takes a name once, and again after a delete",
    async ({ open }) => {
      const store = await open();
      assert.equal((await store.putIfAbsent("log/0", bytesOf("first"))).outcome, "done");
      assert.equal((await store.putIfAbsent("log/0", bytesOf("second"))).outcome, "refused");
      assert.equal((await store.putIfAbsent("log/0", bytesOf("first"))).outcome, "refused");
      assert.equal(textOf(await store.get("log/0")), "first");
      await store.delete("log/0");
      assert.equal((await store.putIfAbsent("log/0", bytesOf("third"))).outcome, "done");
      assert.equal(textOf(await store.get("log/0")), "third");
    },
  ],
  [
    "of 50 racing put-if-absent exactly one wins, and its bytes stay",
    async ({ open }) => {
      const store = await open();
      for (let round = 0; round < 4; round++) {
        const racers = Array.from({ length: 50 }, (_, racer) =>
          store.putIfAbsent(`race/${round}`, bytesOf(`racer ${racer}`)),
        );
        const outcomes = (await Promise.all(racers)).map((one) => one.outcome);
        assert.deepEqual(
          outcomes.filter((one) => one !== "refused"),
          ["done"],
        );
        assert.equal(textOf(await store.get(`race/${round}`)), `racer ${outcomes.indexOf("done")}`);
      }
    },
  ],
  [
    "put-if-match replaces only what has that etag",
    async ({ open }) => {
      const store = await open();
      assert.equal((await store.putIfMatch("x", bytesOf("1"), "none")).outcome, "refused");
      assert.equal(await store.get("x"), undefined);
      const first = etagOf(await store.putIfAbsent("x", bytesOf("1")));
      assert.equal((await store.head("x"))!.etag, first);
      const second = etagOf(await store.putIfMatch("x", bytesOf("2"), first));
      assert.notEqual(second, first);
      assert.equal((await store.head("x"))!.etag, second);
      assert.equal((await store.putIfMatch("x", bytesOf("3"), first)).outcome, "refused");
      assert.equal(textOf(await store.get("x")), "2");
      await store.put("x", bytesOf("4"));
      assert.equal((await store.putIfMatch("x", bytesOf("5"), second)).outcome, "refused");
      await store.delete("x");
      assert.equal((await store.putIfMatch("x", bytesOf("6"), second)).outcome, "refused");
      assert.equal(await store.get("x"), undefined);
    },
  ],
  [
    "racing put-if-match lose no increment",
    async ({ open }) => {
      const store = await open();
      await store.put("counter", bytesOf("0"));
      const increment = async (): Promise<void> => {
        for (;;) {
          const { etag } = (await store.head("counter"))!;
          const value = Number(textOf(await store.get("counter")));
          // The value may be newer than the etag; then the etag no longer matches.
          const outcome = await store.putIfMatch("counter", bytesOf(String(value + 1)), etag);
          if (outcome.outcome === "done") return;
        }
      };
      await Promise.all(Array.from({ length: 12 }, increment));
      assert.equal(textOf(await store.get("counter")), "12");
    },
  ],
  [
    "list gives everything below a folder, in path order, with sizes and times",
    async ({ open }) => {
      const store = await open();
      const paths = [
        "t/b",
        "t/a/2",
        "t/a/10",
        "t/a-b",
        "t/a.b",
        "t/A",
        "tt/x",
        "t0",
        "z/ingest_date=2026-01-01/p.parquet",
      ];
      for (const path of paths) await store.put(path, bytesOf(path));
      const below = paths.filter((path) => path.startsWith("t/")).sort();
      const listed = await store.list("t");
      assert.deepEqual(
        listed.map((one) => one.path),
        below,
      );
      for (const { path, bytes, modifiedMs } of listed) {
        assert.equal(bytes, path.length);
        assert.equal(modifiedMs, (await store.head(path))!.modifiedMs);
        assert.ok(Number.isInteger(modifiedMs) && modifiedMs > 1_600_000_000_000);
      }
      assert.deepEqual(
        (await store.list("")).map((one) => one.path),
        [...paths].sort(),
      );
    },
  ],
  [
    "folders are those directly below, once each, in path order",
    async ({ open }) => {
      const store = await open();
      assert.deepEqual(await store.folders!(""), []);
      for (const path of ["b/x", "b/y", "a.b/c/d/e", "a/1", "ab/f/g", "top"])
        await store.put(path, bytesOf(path));
      assert.deepEqual(await store.folders!(""), ["a", "a.b", "ab", "b"]);
      assert.deepEqual(await store.folders!("a.b"), ["a.b/c"]);
      assert.deepEqual(await store.folders!("a.b/c/d"), []);
      assert.deepEqual(await store.folders!("nowhere"), []);
    },
  ],
  [
    "a listing of more objects than an answer holds is whole",
    async ({ open }) => {
      const store = await open();
      const paths = Array.from({ length: 1_060 }, (_, i) => `many/${String(i).padStart(5, "0")}`);
      for (let from = 0; from < paths.length; from += 53)
        await Promise.all(paths.slice(from, from + 53).map((path) => store.put(path, new Uint8Array(0))));
      assert.deepEqual(
        (await store.list("many")).map((one) => one.path),
        paths,
      );
    },
  ],
  [
    "deleting works once, and what is absent may be deleted",
    async ({ open }) => {
      const store = await open();
      await store.put("a/x", bytesOf("x"));
      await store.put("a/y", bytesOf("y"));
      await store.delete("a/x");
      await store.delete("a/x");
      await store.delete("never/was");
      assert.equal(await store.get("a/x"), undefined);
      assert.deepEqual(
        (await store.list("")).map((one) => one.path),
        ["a/y"],
      );
    },
  ],
  [
    "no path leaves the store: store.path, whatever the operation",
    async ({ open }) => {
      const store = await open();
      const bytes = bytesOf("x");
      for (const path of UNSAFE_PATHS) {
        const calls: readonly (() => Promise<unknown>)[] = [
          () => store.put(path, bytes),
          () => store.putIfAbsent(path, bytes),
          () => store.putIfMatch(path, bytes, "e"),
          () => store.get(path),
          () => store.getRange(path, 0, 1),
          () => store.head(path),
          () => store.delete(path),
          ...(path === "" ? [] : [() => store.list(path)]),
        ];
        for (const [index, call] of calls.entries()) {
          await assert.rejects(
            async () => call(),
            (error) => hasCode(error, "store.path"),
            `${JSON.stringify(path)} call ${index}`,
          );
        }
      }
      assert.deepEqual(await store.list(""), []);
    },
  ],
  [
    "foreign names are read and never written",
    async ({ open }) => {
      const store = await open();
      for (const path of FOREIGN_PATHS) {
        assert.equal(await store.get(path), undefined);
        assert.equal(await store.getRange(path, 0, 1), undefined);
        assert.equal(await store.head(path), undefined);
        assert.ok(store.location(path).endsWith(path));
        for (const call of [
          async () => store.put(path, bytesOf("x")),
          async () => store.putIfAbsent(path, bytesOf("x")),
          async () => store.putIfMatch(path, bytesOf("x"), "e"),
          async () => store.delete(path),
        ])
          await assert.rejects(call, (error) => hasCode(error, "store.path"));
      }
    },
  ],
  [
    "names that Delta tables need are accepted",
    async ({ open }) => {
      const store = await open();
      const paths = [
        "orders.created/_delta_log/00000000000000000000.json",
        "orders.created/_delta_log/_last_checkpoint",
        "orders.created/ingest_date=2026-01-01/part-0198c0de-0000-4000-8000-000000000000.parquet",
        "t/src=a%20b/part-00000-c000.snappy.parquet",
      ];
      for (const path of paths) await store.put(path, bytesOf(path));
      assert.deepEqual(
        (await store.list("")).map((one) => one.path),
        paths,
      );
      for (const path of paths) assert.ok(store.location(path).endsWith(path));
    },
  ],
];
