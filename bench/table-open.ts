/** A table of 1,000 live files behind a checkpoint for `table.ts`: `node table-open.ts make|open FOLDER`. */
import process from "node:process";
import { createFileObjectStore } from "../adapters/file/object-store.ts";
import { addFile } from "../lake/table/add-file.ts";
import { createTableChange } from "../lake/table/create-table.ts";
import { openTableLog } from "../lake/table/table-log.ts";
import { services } from "./landing.ts";

const FILES = 1_000;
const [, , role, folder] = process.argv;
const log = openTableLog(createFileObjectStore({ root: folder! }), "opened", services);

function fileNamed(i: number): ReturnType<typeof addFile> {
  const texts = Object.fromEntries(Array.from({ length: 12 }, (_, c) => [`text_${c}`, `value ${i}-${c}`]));
  return addFile({
    path: `ingest_date=2026-01-31/part-${String(i).padStart(36, "0")}.parquet`,
    partitionValues: { ingest_date: "2026-01-31" },
    bytes: 1_000_000 + i,
    modifiedMs: 1_767_225_600_000 + i,
    statistics: { numRecords: 10_000, minValues: texts, maxValues: texts },
  });
}

async function make(): Promise<void> {
  const created = createTableChange({
    id: "0190a4b8-0000-7000-8000-000000000002",
    name: "opened",
    schema: {
      type: "struct",
      fields: [
        ...Array.from({ length: 12 }, (_, c) => ({
          name: `text_${c}`,
          type: "string" as const,
          nullable: true,
          metadata: {},
        })),
        { name: "ingest_date", type: "date", nullable: true, metadata: {} },
      ],
    },
    partitionColumns: ["ingest_date"],
    createdTime: 0,
  });
  let snapshot = await log.snapshot();
  const commit = async (change: Parameters<typeof log.commit>[0]["change"]): Promise<void> => {
    const outcome = await log.commit({ base: snapshot, change, check: () => "abandon" });
    snapshot = outcome.snapshot;
  };
  await commit(created);
  // 100 versions, so that the last one has a checkpoint.
  for (let version = 1; version <= 100; version++) {
    const add = Array.from({ length: FILES / 100 }, (_, i) => fileNamed(version * 10 + i));
    await commit({ operation: "WRITE", add, remove: [], txns: [], info: {} });
  }
}

async function open(): Promise<void> {
  const startedMs = performance.now();
  const snapshot = await log.snapshot();
  const openMs = performance.now() - startedMs;
  if (snapshot.files.size < FILES) throw new Error(`${snapshot.files.size} of ${FILES} files`);
  const other = openTableLog(createFileObjectStore({ root: folder! }), "opened", services);
  const add = [fileNamed(1_000_000 + snapshot.version)];
  const change = { operation: "WRITE", add, remove: [], txns: [], info: {} };
  await other.commit({ base: await other.snapshot(), change, check: () => "abandon" });
  const refreshedMs = performance.now();
  const next = await log.snapshot({ from: snapshot });
  const refreshMs = performance.now() - refreshedMs;
  if (next.version !== snapshot.version + 1) throw new Error(`version ${next.version}`);
  console.log(JSON.stringify({ openMs, refreshMs }));
}

await (role === "make" ? make() : open());
process.exit(0);
