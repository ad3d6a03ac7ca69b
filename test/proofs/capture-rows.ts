/**
 * Rows of a table in two places, held against each other one by one: each place computes a digest of every row from a
 * text that it makes itself, and only digests are compared.
 */

/** Without a key of its own a row is its digest, and may be there several times. */
export interface RowDigest {
  readonly key: string | null;
  readonly digest: string;
}

/** Each with the keys (or digests) that it is about, at most `NAMED_MAX` of them. */
export interface RowDifferences {
  readonly rows: number;
  readonly missing: RowNames;
  readonly surplus: RowNames;
  /** Under the same key with other values. */
  readonly changed: RowNames;
  /** There more often than expected. */
  readonly doubled: RowNames;
}

export interface RowNames {
  readonly count: number;
  readonly names: readonly string[];
}

const NAMED_MAX = 10;

/** @returns what `actual` has otherwise than `expected`; `rows` are those expected */
export function compareRows(expected: readonly RowDigest[], actual: readonly RowDigest[]): RowDifferences {
  const wanted = countsOf(expected);
  const found = countsOf(actual);
  const missing: string[] = [];
  const surplus: string[] = [];
  const changed: string[] = [];
  const doubled: string[] = [];
  for (const [name, { count, digest }] of wanted) {
    const other = found.get(name);
    if (!other || other.count < count) missing.push(name);
    else if (other.digest !== digest) changed.push(name);
    else if (other.count > count) doubled.push(name);
  }
  for (const name of found.keys()) if (!wanted.has(name)) surplus.push(name);
  return {
    rows: expected.length,
    missing: named(missing),
    surplus: named(surplus),
    changed: named(changed),
    doubled: named(doubled),
  };
}

/** @throws Error naming the place and the rows where anything differs */
export function assertSameRows(
  place: string,
  expected: readonly RowDigest[],
  actual: readonly RowDigest[],
): void {
  const { rows: _rows, ...differences } = compareRows(expected, actual);
  const found = Object.entries(differences).filter(([, { count }]) => count > 0);
  if (found.length === 0) return;
  const told = found.map(([kind, { count, names }]) => `${count} ${kind} (${names.join(", ")})`);
  throw new Error(`${place}: of ${expected.length} rows ${told.join("; ")}`);
}

interface Counted {
  count: number;
  /** Of all rows of the name, in any order. */
  digest: string;
}

function countsOf(rows: readonly RowDigest[]): ReadonlyMap<string, Counted> {
  const counts = new Map<string, Counted>();
  for (const { key, digest } of rows) {
    const name = key ?? digest;
    const known = counts.get(name);
    if (!known) counts.set(name, { count: 1, digest });
    else {
      known.count++;
      if (known.digest !== digest) known.digest = [known.digest, digest].toSorted().join();
    }
  }
  return counts;
}

function named(names: readonly string[]): RowNames {
  return { count: names.length, names: names.slice(0, NAMED_MAX) };
}
