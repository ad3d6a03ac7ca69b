/**
 * Compares a table of the source with what somebody else has of it: sums per slice first, digests of the rows in
 * slices that differ, and the values of some of the rows that differ.
 */
import { MuaraError } from "../../../core/errors.ts";
import type { SnapshotTable, SummedRows } from "../../../core/ports/snapshot.ts";
import { slicesFor, type RowDigest, type RowValues, TableSums } from "../../../core/row-text.ts";
import { COLUMNS_MAX, type Comparison, type Difference } from "../../../core/reconciliation.ts";
import { shownText } from "./shown-text.ts";

/** Rows whose digests are compared at once, about. */
const DIGESTS_MAX = 200_000;

/**
 * @param named differences that are named, at most
 * @param signal once it is aborted neither side is read on, as when one of them fails
 * @throws reconciliation.impossible
 */
export async function compareTable(
  source: SnapshotTable,
  lake: SummedRows,
  named: number,
  signal: AbortSignal = new AbortController().signal,
): Promise<Comparison> {
  if (source.columns.length > COLUMNS_MAX)
    throw new MuaraError(
      "reconciliation.impossible",
      `${source.schema}.${source.name} has ${source.columns.length} columns; at most ${COLUMNS_MAX} can be compared.`,
    );
  const slices = slicesFor(source.rows);
  const [ours, theirs] = await ofBoth(signal, source, lake, (side, stop) => sumsOf(side, slices, stop));
  const differing = ours.differences(theirs);
  const sides = {
    source: { rows: Number(ours.rows), checksum: ours.checksum },
    lake: { rows: Number(theirs.rows), checksum: theirs.checksum },
  };
  if (differing.length === 0)
    return {
      isEqual: true,
      ...sides,
      slices,
      differingSlices: 0,
      differingRows: 0,
      differences: [],
      isCut: false,
    };
  const perSlice = Math.max(1, Math.max(sides.source.rows, sides.lake.rows) / slices);
  const wanted = differing.slice(0, Math.max(1, Math.floor(DIGESTS_MAX / perSlice)));
  const [before, after] = await ofBoth(signal, source, lake, (side, stop) =>
    digestsOf(side.digests(slices, wanted), stop),
  );
  const rows = differingKeys(before, after);
  const keys = rows.slice(0, named);
  return {
    isEqual: false,
    ...sides,
    slices,
    differingSlices: differing.length,
    differingRows: rows.length,
    differences: await nameThem(source, lake, keys),
    isCut: wanted.length < differing.length || keys.length < rows.length,
  };
}

/** A source's table may take hours: nobody reads it for an answer that there will not be. */
async function ofBoth<Result>(
  signal: AbortSignal,
  source: SummedRows,
  lake: SummedRows,
  read: (side: SummedRows, stop: () => void) => Promise<Result>,
): Promise<readonly [Result, Result]> {
  let failure: { readonly error: unknown } | undefined;
  const stop = (): void => {
    signal.throwIfAborted();
    if (failure) throw failure.error;
  };
  const one = (side: SummedRows): Promise<Result> =>
    read(side, stop).catch((error: unknown) => {
      failure ??= { error };
      throw error;
    });
  return Promise.all([one(source), one(lake)]);
}

async function sumsOf(rows: SummedRows, slices: number, stop: () => void): Promise<TableSums> {
  const sums = new TableSums(slices);
  for await (const part of rows.sums(slices)) {
    stop();
    sums.add(part);
  }
  return sums;
}

/** By key: the row's digest and how often it is there. */
type Digests = ReadonlyMap<string, string>;

async function digestsOf(parts: AsyncIterable<readonly RowDigest[]>, stop: () => void): Promise<Digests> {
  const found = new Map<string, string[]>();
  for await (const part of parts) {
    stop();
    for (const { key, digest } of part) {
      const rows = found.get(key);
      if (rows) rows.push(digest);
      else found.set(key, [digest]);
    }
  }
  return new Map([...found].map(([key, rows]) => [key, rows.toSorted().join()]));
}

function differingKeys(source: Digests, lake: Digests): readonly string[] {
  const keys = new Set([...source.keys(), ...lake.keys()]);
  return [...keys].filter((key) => source.get(key) !== lake.get(key)).toSorted();
}

async function nameThem(
  source: SnapshotTable,
  lake: SummedRows,
  keys: readonly string[],
): Promise<readonly Difference[]> {
  if (keys.length === 0) return [];
  const [ours, theirs] = await Promise.all([rowsOf(source.values(keys)), rowsOf(lake.values(keys))]);
  return keys.flatMap((key) => differencesOf(source, ours.get(key) ?? [], theirs.get(key) ?? []));
}

async function rowsOf(
  parts: AsyncIterable<readonly RowValues[]>,
): Promise<ReadonlyMap<string, readonly RowValues[]>> {
  const found = new Map<string, RowValues[]>();
  for await (const part of parts)
    for (const row of part) found.set(row.key, [...(found.get(row.key) ?? []), row]);
  return found;
}

/** Of one key; without a key, of one and the same row. */
function differencesOf(
  table: SnapshotTable,
  source: readonly RowValues[],
  lake: readonly RowValues[],
): readonly Difference[] {
  const both = Math.min(source.length, lake.length);
  const differences: Difference[] = [];
  for (let i = 0; i < both; i++) {
    if (source[i]!.digest === lake[i]!.digest) continue;
    const key = keyOf(table, source[i]!);
    differences.push({ kind: "different", key, columns: columnsOf(table, source[i]!, lake[i]!) });
  }
  for (const row of source.slice(both))
    differences.push({ kind: "missing", key: keyOf(table, row), columns: {} });
  for (const row of lake.slice(both))
    differences.push({ kind: "extra", key: keyOf(table, row), columns: {} });
  return differences;
}

function keyOf({ columns, key }: SnapshotTable, { values }: RowValues): Difference["key"] {
  const wanted = columns.flatMap(({ name, form }, i) =>
    key.length === 0 || key.includes(name) ? [[name, shownText(form, values[i] ?? null)] as const] : [],
  );
  return Object.fromEntries(wanted);
}

function columnsOf({ columns }: SnapshotTable, source: RowValues, lake: RowValues): Difference["columns"] {
  const differing = columns.flatMap(({ name, form }, i) => {
    const [ours, theirs] = [source.values[i] ?? null, lake.values[i] ?? null];
    if (ours === theirs) return [];
    return [[name, { source: shownText(form, ours), lake: shownText(form, theirs) }] as const];
  });
  return Object.fromEntries(differing);
}
