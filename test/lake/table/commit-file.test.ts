import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import * as fc from "fast-check";
import { describe, it } from "vitest";
import { AssertionError } from "../../../core/assert.ts";
import type { AddFile } from "../../../core/ports/table-log.ts";
import { commitFileName, ENGINE_INFO, formatCommit, parseCommit } from "../../../lake/table/commit-file.ts";
import { change, removal } from "../../conformance/table-changes.ts";

const heading = {
  version: 3,
  commitId: "0198c0de-0000-4000-8000-000000000000",
  timestampMs: 1_800_000_000_000,
  isFirst: false,
  removedFiles: new Map<string, AddFile>(),
};

describe("commit file", () => {
  it("is named by 20 digits", () => {
    assert.equal(commitFileName(0), "00000000000000000000.json");
    assert.equal(commitFileName(1234567), "00000000000001234567.json");
  });

  it("names the version of this package", async () => {
    const text = await readFile(new URL("../../../package.json", import.meta.url), "utf8");
    const version = /"version": "([^"]+)"/.exec(text)![1]!;
    assert.equal(ENGINE_INFO, `muara/${version}`);
  });

  it("gives back whatever was written, with 64-bit integers, odd names and any JSON as info", () => {
    const path = fc.string({ minLength: 1, maxLength: 8, unit: "binary" });
    const txn = fc.record(
      {
        appId: fc.oneof(path, fc.constantFrom('"version":1', "\\", "a\nb", "__proto__", "version")),
        version: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      },
      { noNullPrototype: true },
    );
    const info = fc
      .dictionary(fc.string({ maxLength: 5 }), fc.jsonValue({ maxDepth: 2 }), { maxKeys: 4 })
      .map((value): Record<string, unknown> => JSON.parse(JSON.stringify(value)));
    fc.assert(
      fc.property(
        fc.uniqueArray(path, { maxLength: 4 }),
        fc.array(txn, { maxLength: 4 }),
        info,
        (paths, txns, facts) => {
          const wanted = change(paths, { txns, info: facts, remove: [removal("gone")] });
          const bytes = formatCommit(heading, wanted);
          const { protocol, ...read } = parseCommit(3, bytes);
          const { version, commitId, timestampMs } = heading;
          assert.deepEqual(read, { ...wanted, version, commitId, timestampMs });
          assert.equal(protocol, undefined);
        },
      ),
      { numRuns: 300 },
    );
  });

  it("refuses to write a txn beyond 64 bits", () => {
    for (const version of [2n ** 63n, -(2n ** 63n) - 1n]) {
      const wanted = change([], { txns: [{ appId: "a", version }] });
      assert.throws(() => formatCommit(heading, wanted), AssertionError);
    }
  });

  it("reads what other writers leave out or add", () => {
    const lines = [
      '{"protocol":{"minReaderVersion":1,"minWriterVersion":2,"readerFeatures":null}}',
      '{"metaData":{"id":"x","format":{"provider":"parquet"},"schemaString":"{}","partitionColumns":[]}}',
      '{"add":{"path":"a%20b","partitionValues":{"d":null},"size":1,"modificationTime":2,"dataChange":true,' +
        '"stats":null,"tags":null,"baseRowId":5}}',
      '{"remove":{"path":"c","dataChange":true}}',
      '{"cdc":{"path":"_change_data/x"}}',
      "",
      '{"txn" : {"appId":"a", "version" : 9223372036854775807, "lastUpdated":1}}',
    ];
    const read = parseCommit(0, new TextEncoder().encode(lines.join("\r\n")));
    const { add, remove, txns, commitId, info, metadata, protocol, timestampMs } = read;
    assert.deepEqual(
      { add, remove, txns, commitId, info, protocol, timestampMs, name: metadata!.name },
      {
        add: [
          { path: "a%20b", partitionValues: { d: null }, size: 1, modificationTime: 2, dataChange: true },
        ],
        remove: [{ path: "c", dataChange: true, deletionTimestamp: 0 }],
        txns: [{ appId: "a", version: 2n ** 63n - 1n }],
        commitId: "",
        info: {},
        protocol: { minReaderVersion: 1, minWriterVersion: 2 },
        timestampMs: 0,
        name: "",
      },
    );
  });
});
