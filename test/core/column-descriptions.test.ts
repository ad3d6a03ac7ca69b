/** Each column that Muara itself makes is described; a field of an event never is, whatever it is called. */
import { expect, test } from "vitest";
import { ownColumnDescription } from "../../core/column-descriptions.ts";
import {
  CURRENT_SLICE,
  DATA_COLUMNS,
  ENVELOPE_COLUMNS,
  EXTRA,
  INGEST_DATE,
  type Column,
} from "../../core/columns.ts";
import {
  BOOKS_COLUMNS,
  DEAD_LETTERS_COLUMNS,
  DUPLICATES_COLUMNS,
  REPLAYS_COLUMNS,
} from "../../lake/ledger-tables.ts";

const named = (columns: readonly Column[]): readonly string[] => columns.map(({ name }) => name);

test.each([
  ["event_type", [...named(ENVELOPE_COLUMNS), ...named(DATA_COLUMNS), INGEST_DATE, EXTRA]],
  ["current", ["event_id", "event_time", "ingest_time", "event_key", EXTRA, CURRENT_SLICE]],
  ["job", ["row_id", "watermark"]],
  ["ledger", named(BOOKS_COLUMNS)],
  ["ledger", named(DEAD_LETTERS_COLUMNS)],
  ["ledger", named(DUPLICATES_COLUMNS)],
  ["ledger", named(REPLAYS_COLUMNS)],
])("of kind %s, each of %j", (kind, columns) => {
  const texts = columns.map((column) => ownColumnDescription(kind, column));
  for (const [i, text] of texts.entries())
    expect([columns[i], text]).toEqual([columns[i], expect.any(String)]);
  // In docs, rows of a table end with a full stop, and none says the same as another.
  expect(texts.filter((text) => !/^[A-Z].*\.$/.test(text ?? ""))).toEqual([]);
  expect(new Set(texts).size).toBe(columns.length);
});

test("names that are not Muara's own, and tables that are not", () => {
  expect(ownColumnDescription("event_type", "country")).toBeNull();
  expect(ownColumnDescription("event_type", "row_id")).toBeNull();
  expect(ownColumnDescription("event_type", "constructor")).toBeNull();
  expect(ownColumnDescription("job", "event_time")).toBeNull();
  expect(ownColumnDescription("other", "event_id")).toBeNull();
  expect(ownColumnDescription("toString", "event_id")).toBeNull();
});
