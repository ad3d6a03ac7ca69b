/**
 * Holds the versions of a feed against the lake: their numbers are dense, each window's revisions count up, and its
 * control totals are those of SQL over the very table version that the manifest names, read by delta-rs and summed by
 * DuckDB. Versions of the table from before an erasure have lost files; windows made of those are counted, not judged.
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { manifestHash, partitionName, type Manifest } from "../../lake/extract/manifest.ts";
import type { MuaraProcess } from "../services/muara.ts";
import { runPython } from "../services/python.ts";
import { FEED, ROW, TYPE } from "./extract-sales.ts";

const PYTHON_MS = 600_000;
const PAGE = 1_000;

/** Per version of the table: of each window rows and totals; or why the version cannot be read. */
const SUMS = `
import sys, json, duckdb
from deltalake import DeltaTable
path, asked = sys.argv[1], json.load(open(sys.argv[2]))
con = duckdb.connect()
con.sql("SET TimeZone = 'UTC'")
def sums(version, windows):
    try: t = DeltaTable(path, version=version).to_pyarrow_table(columns=["event_id", "event_time", "number", "amount"])
    except Exception as e: return type(e).__name__ + ": " + str(e)[:300]
    con.register("t", t)
    return ["|".join(con.sql(f"""SELECT count(*)::VARCHAR, coalesce(sum(amount), 0)::DECIMAL(38,2)::VARCHAR,
      coalesce(sum(number), 0)::HUGEINT::VARCHAR, count(DISTINCT event_id)::VARCHAR FROM t
      WHERE event_time >= TIMESTAMPTZ '{start}' AND event_time < TIMESTAMPTZ '{end}'""").fetchone())
      for start, end in windows]
print(json.dumps([sums(version, windows) for version, windows in asked]))
`;

const ROWS = `
import sys, json, duckdb
from deltalake import DeltaTable
t = DeltaTable(sys.argv[1]).to_pyarrow_table(columns=["event_id", "event_time", "number", "amount", "who"])
rows = duckdb.sql(f"SELECT ${ROW} FROM t WHERE epoch_ms(event_time) < {sys.argv[2]}").fetchall()
print(json.dumps(sorted(row for (row,) in rows)))
`;

export interface AuditCounts {
  versions: number;
  windows: number;
  /** Windows whose totals were held against SQL over the lake. */
  audited: number;
  /** Windows made of a table version that an erasure took files from. */
  unreadable: number;
  /** Partitions by the reason of their revision. */
  readonly reasons: Record<string, number>;
}

export class ExtractAudit {
  readonly counts: AuditCounts = { versions: 0, windows: 0, audited: 0, unreadable: 0, reasons: {} };
  readonly #lake: string;
  readonly #scratch: string;
  readonly #revisions = new Map<string, number>();

  /** @param lake the folder of its tables @param scratch a folder for what is passed to others */
  constructor(lake: string, scratch: string) {
    this.#lake = lake;
    this.#scratch = scratch;
  }

  /** Newest revision of each window, as the manifests have it. */
  get revisions(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#revisions);
  }

  /** Looks at the versions since the last time. @param readableFrom table versions before may have lost files */
  async run(muara: MuaraProcess, readableFrom: number): Promise<void> {
    const manifests: Manifest[] = [];
    const items = await this.#items(muara);
    for (const [i, { version }] of items.entries()) {
      const expected = this.counts.versions + 1 + i;
      if (version !== expected) throw new Error(`version ${expected} is missing, ${version} follows`);
      manifests.push(await manifestOf(muara, version));
    }
    for (const manifest of manifests) this.#follow(manifest);
    await this.#sum(manifests, readableFrom);
  }

  /** Rows of the table's newest version before that time, as text. ms */
  async rows(untilMs: number): Promise<readonly string[]> {
    const args = [join(this.#lake, TYPE), String(untilMs)];
    return (await runPython(ROWS, args, { timeoutMs: PYTHON_MS })) as string[];
  }

  async #items(muara: MuaraProcess): Promise<readonly { readonly version: number }[]> {
    const found: { version: number }[] = [];
    for (let since: number | null = this.counts.versions; since !== null;) {
      const route = `/v1/extracts/${FEED}/versions?since=${since}&limit=${PAGE}`;
      const answer = (await (await muara.fetch(route)).json()) as {
        items: { version: number }[];
        next_since: number | null;
      };
      found.push(...answer.items);
      since = answer.next_since;
    }
    return found;
  }

  #follow(manifest: Manifest): void {
    const { version, previous, partitions, files, rows } = manifest;
    const where = `version ${version}`;
    equal(manifest.manifest_sha256, manifestHash(manifest), `${where}: its hash`);
    equal(previous, version === 1 ? null : version - 1, `${where}: previous`);
    equal(rows, sum(files), `${where}: rows of its files`);
    this.counts.versions = version;
    for (const partition of partitions) {
      const name = partitionName(partition);
      const before = this.#revisions.get(name);
      equal(partition.revision, (before ?? 0) + 1, `${where}, ${name}: revision`);
      equal(partition.revises, before ?? null, `${where}, ${name}: revises`);
      const own = files.filter(({ id }) => partition.files.includes(id));
      equal(sum(own), partition.window_rows, `${where}, ${name}: rows of its files`);
      this.#revisions.set(name, partition.revision);
      this.counts.windows++;
      this.counts.reasons[partition.reason] = (this.counts.reasons[partition.reason] ?? 0) + 1;
    }
  }

  async #sum(manifests: readonly Manifest[], readableFrom: number): Promise<void> {
    const asked = manifests.map(({ inputs, partitions }) => [
      inputs[TYPE]!,
      partitions.map(({ from, until }) => [from, until]),
    ]);
    const file = join(this.#scratch, "asked.json");
    await writeFile(file, JSON.stringify(asked));
    const args = [join(this.#lake, TYPE), file];
    const answers = (await runPython(SUMS, args, { timeoutMs: PYTHON_MS })) as (string | string[])[];
    for (const [i, { version, partitions, inputs }] of manifests.entries()) {
      const answer = answers[i]!;
      if (typeof answer === "string") {
        if (inputs[TYPE]! >= readableFrom) throw new Error(`version ${version}'s input: ${answer}`);
        this.counts.unreadable += partitions.length;
        continue;
      }
      for (const [at, { window_rows: rows, window_totals: totals }] of partitions.entries()) {
        const { amount, number, distinct_event_id: ids } = totals;
        equal([rows, amount, number, ids].join("|"), answer[at], `version ${version}: totals`);
        this.counts.audited++;
      }
    }
  }
}

async function manifestOf(muara: MuaraProcess, version: number): Promise<Manifest> {
  const response = await muara.fetch(`/v1/extracts/${FEED}/versions/${version}/manifest`);
  const text = await response.text();
  if (response.status !== 200) throw new Error(`version ${version}: ${response.status} ${text}`);
  return JSON.parse(text) as Manifest;
}

function sum(files: readonly { readonly rows: number }[]): number {
  return files.reduce((total, { rows }) => total + rows, 0);
}

function equal(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)}, expected ${String(expected)}`);
}
