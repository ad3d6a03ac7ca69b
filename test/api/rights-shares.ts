/** Shared tables as a client reads them, and a search of everything that was served for what must not be in it. */
import assert from "node:assert/strict";
import { zstdDecompressSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { COMPARED, type Cells, type Seen } from "./rights-model.ts";
import type { Stack } from "./stack.ts";

const ZSTD_FRAME = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

export interface Served extends Seen {
  /** Everything that was sent: answers, files, and what the files' pages hold. */
  readonly sent: Buffer;
  /** Where the files' rows are said to be in the answer. */
  readonly addresses: readonly string[];
}

/** The table `a.t` of a share. @returns undefined where it does not exist for the holder of the token */
export async function readShare(stack: Stack, share: string, token: string): Promise<Served | undefined> {
  const headers = { authorization: `Bearer ${token}` };
  const response = await stack.call(
    "POST",
    `/delta-sharing/shares/${share}/schemas/a/tables/t/query`,
    {},
    headers,
  );
  if (response.status === 404) return undefined;
  const text = await response.text();
  assert.equal(response.status, 200, text);
  const lines = text.split("\n").filter((line) => line !== "");
  const parsed = lines.map((line) => JSON.parse(line) as Record<string, Record<string, unknown>>);
  const metadata = parsed.find((line) => line["metaData"])!["metaData"]!;
  const { fields } = JSON.parse(String(metadata["schemaString"])) as { fields: { name: string }[] };
  const columns = fields.map(({ name }) => name);
  const rows: Record<string, unknown>[] = [];
  const sent: Buffer[] = [Buffer.from(text)];
  const addresses = parsed.flatMap(({ file }) => (file ? [String(file["url"])] : []));
  for (const address of addresses) {
    const file = Buffer.from(await (await fetch(address)).arrayBuffer());
    const found = await readParquet(file);
    for (const name of Object.keys(found[0] ?? {})) assert.ok(columns.includes(name), `a file has ${name}`);
    rows.push(...found);
    sent.push(file, ...pagesOf(file));
  }
  return { ...seen(columns, rows), sent: Buffer.concat(sent), addresses };
}

export function readParquet(file: Uint8Array): Promise<Record<string, unknown>[]> {
  const compressors = { ZSTD: (bytes: Uint8Array) => new Uint8Array(zstdDecompressSync(bytes)) };
  return parquetReadObjects({ file: new Uint8Array(file).buffer, compressors });
}

/** Rows with the compared columns as text. */
export function seen(columns: readonly string[], rows: readonly Readonly<Record<string, unknown>>[]): Seen {
  const compared = COMPARED.filter((name) => columns.includes(name));
  return {
    columns,
    rows: rows.map((row): Cells =>
      Object.fromEntries(
        compared.map((name) => [name, cell(row[name] as string | number | bigint | null | undefined)]),
      ),
    ),
  };
}

/** Long texts of the whole table that no visible cell has. */
export function hiddenTexts(truth: Seen, visible: Seen | undefined): readonly string[] {
  const shown = (visible?.rows ?? []).flatMap((row) => Object.values(row));
  const texts = truth.rows.flatMap(({ event_id: id, note }) => [id, note]);
  return texts
    .filter((text) => text != null)
    .filter((text) => text.length > 4 && !shown.some((other) => other?.includes(text)));
}

/** What is compressed, as it is without: also dictionaries of values that no row has. */
function pagesOf(file: Buffer): readonly Buffer[] {
  const pages: Buffer[] = [];
  for (let at = file.indexOf(ZSTD_FRAME); at >= 0; at = file.indexOf(ZSTD_FRAME, at + 1))
    pages.push(zstdDecompressSync(file.subarray(at)));
  assert.ok(pages.length > 0, "no page was found");
  return pages;
}

/** Of four columns that have a text in every form. */
const cell = (value: string | number | bigint | null | undefined): string | null =>
  value === null || value === undefined ? null : String(value);
