import assert from "node:assert/strict";
import * as fc from "fast-check";
import { describe, it } from "vitest";
import { hasCode } from "../../../core/errors.ts";
import { addFile, dataFilePath, formatStatistics, storePathOf } from "../../../lake/table/add-file.ts";
import { createTableChange } from "../../../lake/table/create-table.ts";
import {
  arrayOf,
  decimal,
  decimalParts,
  type DeltaType,
  field,
  formatSchema,
  parseSchema,
  struct,
} from "../../../lake/table/delta-schema.ts";
import {
  checkpointInterval,
  parseIntervalMs,
  tombstoneRetentionMs,
} from "../../../lake/table/table-properties.ts";
import { SortedMap } from "../../../lake/table/sorted-map.ts";
import { isCheckpointDue } from "../../../lake/table/table-state.ts";

const withType = (type: string): string =>
  `{"type":"struct","fields":[{"name":"a","type":${type},"nullable":true,"metadata":{}}]}`;

describe("schema", () => {
  it("any schema survives its text", () => {
    const primitive = fc.constantFrom<DeltaType>(
      "string",
      "long",
      "double",
      "boolean",
      "binary",
      "date",
      "timestamp",
    );
    const exact = fc
      .tuple(fc.nat(37), fc.nat(38))
      .map(([less, scale]) => decimal(less + 1, Math.min(scale, less + 1)));
    const { type } = fc.letrec<{ type: DeltaType }>((tie) => ({
      type: fc.oneof(
        { maxDepth: 3 },
        primitive,
        exact,
        tie("type").map(arrayOf),
        fc
          .array(fc.tuple(fc.string(), tie("type")), { maxLength: 3 })
          .map((fields) => struct(...fields.map(([name, inner]) => field(name, inner, { comment: name })))),
      ),
    }));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), type), { maxLength: 4 }), (fields) => {
        const schema = struct(...fields.map(([name, inner]) => field(name, inner)));
        assert.deepEqual(parseSchema(formatSchema(schema)), schema);
      }),
      { numRuns: 200 },
    );
  });

  it("refuses types that need a table feature, and what is no schema", () => {
    for (const type of [
      '"timestamp_ntz"',
      '"variant"',
      '"void"',
      '{"type":"udt"}',
      '"decimal(39,1)"',
      '"decimal(5,6)"',
    ]) {
      assert.throws(
        () => parseSchema(withType(type)),
        (error) => hasCode(error, "table.unsupported"),
        type,
      );
    }
    for (const text of ["", "[]", '"long"', "{}", '{"type":"struct"}', withType("5")]) {
      assert.throws(
        () => parseSchema(text),
        (error) => hasCode(error, "table.corrupt") || hasCode(error, "table.unsupported"),
        text,
      );
    }
    assert.deepEqual(decimalParts(decimal(38, 9)), { precision: 38, scale: 9 });
    assert.equal(decimalParts("long"), undefined);
  });
});

describe("a new table", () => {
  it("has our properties unless told otherwise, and never lets txns expire", () => {
    const { metadata } = createTableChange({
      id: "x",
      name: "t",
      schema: struct(),
      partitionColumns: ["ingest_date"],
      configuration: { "delta.checkpointInterval": "10", "muara.retention": "30 days" },
      createdTime: 5,
    });
    assert.deepEqual(metadata!.configuration, {
      "delta.checkpointInterval": "10",
      "delta.deletedFileRetentionDuration": "interval 2 hours",
      "delta.logRetentionDuration": "interval 1 day",
      "muara.retention": "30 days",
    });
    assert.equal(checkpointInterval(metadata), 10);
    assert.equal(tombstoneRetentionMs(metadata), 7_200_000);
  });

  it("reads intervals as Delta writes them, and takes its defaults for the rest", () => {
    const cases: readonly (readonly [string, number | undefined])[] = [
      ["interval 2 hours", 7_200_000],
      ["interval 1 week", 604_800_000],
      ["INTERVAL 1 day 30 minutes", 88_200_000],
      ["5 seconds", 5000],
      ["interval", undefined],
      ["interval 5", undefined],
      ["interval 5 months", undefined],
      ["interval -5 days", undefined],
      ["", undefined],
    ];
    for (const [text, expected] of cases) assert.equal(parseIntervalMs(text), expected, text);
    assert.equal(tombstoneRetentionMs(undefined), 7 * 86_400_000);
    assert.equal(checkpointInterval(undefined), 100);
  });
});

describe("data files", () => {
  it("lie in the folder that is named as their partition value", () => {
    assert.equal(dataFilePath({ ingest_date: "2026-01-31" }, "u"), "ingest_date=2026-01-31/part-u.parquet");
    assert.equal(
      dataFilePath({ d: "a", slug: null }, "u"),
      "d=a/slug=__HIVE_DEFAULT_PARTITION__/part-u.parquet",
    );
    assert.equal(dataFilePath({}, "u"), "part-u.parquet");
    for (const value of ["", "a b", "a/b", "..%2F", "a=b", "ä", "x".repeat(121)]) {
      assert.throws(
        () => dataFilePath({ d: value }, "u"),
        (error) => hasCode(error, "store.path"),
        value,
      );
    }
  });

  it("are found where a foreign writer's URI says, never outside of the table", () => {
    assert.equal(storePathOf("t", "d=a/part-1.parquet"), "t/d=a/part-1.parquet");
    assert.equal(storePathOf("t", "src=a%2520b/x.parquet"), "t/src=a%20b/x.parquet");
    assert.equal(storePathOf("t", "city=S%C3%A3o%20Paulo/x.parquet"), "t/city=S\u00e3o Paulo/x.parquet");
    const refused = ["../x", "a/../../x", "%2e%2e/x", "a%2F..%2Fx", "%zz", "a%0Ab", "a%5Cb", "a%2A"];
    for (const path of refused)
      assert.throws(
        () => storePathOf("t", path),
        (error) => hasCode(error, "store.path"),
        path,
      );
    for (const path of ["/x", "file:x/y", "s3://other/x", "C:/x"]) {
      assert.throws(
        () => storePathOf("t", path),
        (error) => hasCode(error, "table.unsupported"),
        path,
      );
    }
  });

  it("carry exact statistics", () => {
    const stats = formatStatistics({
      numRecords: 2,
      minValues: { n: -(2n ** 63n), s: { t: 'a"' } },
      maxValues: { n: 2n ** 63n - 1n, b: true, f: 0.1 },
    });
    assert.equal(
      stats,
      '{"numRecords":2,"minValues":{"n":-9223372036854775808,"s":{"t":"a\\""}},' +
        '"maxValues":{"n":9223372036854775807,"b":true,"f":0.1},"nullCount":{}}',
    );
    const file = addFile({ path: "p", partitionValues: {}, bytes: 5, modifiedMs: 7 });
    assert.deepEqual(file, {
      path: "p",
      partitionValues: {},
      size: 5,
      modificationTime: 7,
      dataChange: true,
    });
  });
});

/** The first version at which a table with so many entries gets a checkpoint. */
function every(entries: number, interval?: number): number {
  const tombstones = SortedMap.from(Array.from({ length: entries }, (_, i) => [`f${i}`, 0] as const));
  const properties = interval === undefined ? {} : { "delta.checkpointInterval": String(interval) };
  const { metadata } = createTableChange({
    id: "x",
    name: "t",
    schema: struct(),
    partitionColumns: [],
    configuration: properties,
    createdTime: 5,
  });
  const state = { metadata, files: SortedMap.from<never>(), tombstones };
  return Array.from({ length: 10_000 }, (_, i) => i + 1).find((version) =>
    isCheckpointDue({ ...state, version }),
  )!;
}

describe("checkpoints", () => {
  it("come half as often each time that a table doubles beyond 1,000 entries, eight times as far apart at most", () => {
    const cases = [0, 1_999, 2_000, 3_999, 4_000, 7_999, 8_000, 50_000];
    assert.deepEqual(
      cases.map((entries) => every(entries)),
      [100, 100, 200, 200, 400, 400, 800, 800],
    );
    assert.equal(every(2_000, 7), 14);
    assert.equal(
      isCheckpointDue({
        version: 0,
        metadata: undefined,
        files: SortedMap.from(),
        tombstones: SortedMap.from(),
      }),
      false,
    );
  });
});
