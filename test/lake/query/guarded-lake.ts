/**
 * A lake with something to steal: a canary in a file outside of it and in a table that the asker may not read. Tells
 * afterwards whether anything of it, or of the folder around it, has changed.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Principal } from "../../../core/authorize.ts";
import type { PinnedTable } from "../../../lake/query/view.ts";
import type { Places } from "./escape-list.ts";
import { makeTinyLake, schemaOf, type TinyLake } from "./tiny-lake.ts";

export const CANARY = "canary-7f3a-must-not-be-read";
export const READER: Principal = {
  id: "token:reader",
  grants: [{ action: "read", kind: "table", name: "orders" }],
};

export interface GuardedLake {
  readonly lake: TinyLake;
  readonly places: Places;
  /** The table that the reader may read, as a query process gets it. */
  readonly orders: PinnedTable;
  /** One text for every file's name and bytes, outside and in the lake. */
  fingerprint(): Promise<string>;
  close(): Promise<void>;
}

export async function makeGuardedLake(): Promise<GuardedLake> {
  const day = "2026-01-01";
  const files = (ids: string[]) => [
    {
      day,
      columns: [
        { name: "event_id", data: ids },
        { name: "n", data: ids.map((_, i) => BigInt(i)), type: "INT64" as const },
      ],
    },
  ];
  const schemaString = schemaOf({ event_id: "string", n: "long", ingest_date: "date" });
  const lake = await makeTinyLake([
    { name: "orders", schemaString, versions: [{ timestampMs: 1, files: files(["a", "b", "c"]) }] },
    { name: "secret", schemaString, versions: [{ timestampMs: 1, files: files([CANARY, "d"]) }] },
  ]);
  const outside = `${lake.root}-outside`;
  await mkdir(outside);
  await writeFile(path.join(outside, "secret.csv"), `${CANARY}\n`);
  const pathOf = (table: string): string => {
    const [file] = lake.snapshots.get(table)!.at(-1)!.files.keys();
    return path.join(lake.root, table, file!);
  };
  return {
    lake,
    places: {
      file: path.join(outside, "secret.csv"),
      lake: pathOf("orders"),
      other: pathOf("secret"),
      out: path.join(outside, "written"),
    },
    orders: {
      names: ["orders"],
      schemaString,
      partitionColumns: ["ingest_date"],
      files: [{ path: pathOf("orders"), partitionValues: { ingest_date: day } }],
      ingestedUntilMs: null,
    },
    fingerprint: async () => {
      const hash = createHash("sha256");
      for (const folder of [outside, lake.root]) {
        const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
          .map((entry) => path.join(entry.parentPath, entry.name) + (entry.isFile() ? "" : path.sep))
          .toSorted();
        for (const name of names) {
          hash.update(name);
          if (!name.endsWith(path.sep)) hash.update(await readFile(name));
        }
      }
      return hash.digest("hex");
    },
    close: async () => {
      await lake.close();
      await rm(outside, { recursive: true, force: true });
    },
  };
}
