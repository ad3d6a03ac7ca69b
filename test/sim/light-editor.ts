/**
 * lake/file-editor.ts for files of objects, as far as rolling back needs it: of SQL it knows the one condition that
 * lake/roll-back.ts asks, and anything else fails loudly. `hooks.ts` puts it in the place of the original.
 */
import assert from "node:assert/strict";
import { MuaraError } from "../../core/errors.ts";
import { RunningChecksum } from "../../lake/checksum.ts";
import type { EditedFile } from "../../lake/edited-file.ts";
import type { Destination } from "../../lake/file-editor.ts";
import { handleOf } from "./handles.ts";
import { lightFile, lightStats } from "./light-format.ts";
import { fileOf, rowsOf } from "./light-rewriter.ts";

const CONDITION = new RegExp(
  "^CASE WHEN log_partition < 0 THEN NULL" +
    String.raw`( WHEN log_partition = \d+ THEN log_offset >= \d+ AND log_offset < \d+)*` +
    " {1,2}ELSE log_offset < 0 END$",
);
const RANGE = /log_partition = (\d+) THEN log_offset >= (\d+) AND log_offset < (\d+)/g;

export class FileEditor {
  async filter(
    edited: EditedFile,
    gone: string,
    destination: Destination,
  ): Promise<{ rowsKept: number; rowsGone: number; rowsUnknown: number; stats: string }> {
    const bytes = await edited.store.get(edited.path);
    if (!bytes) throw new MuaraError("table.version_not_found", "A file of this version is gone.");
    assert(CONDITION.test(gone), `the simulator does not know this SQL: ${gone}`);
    const ranges = [...gone.matchAll(RANGE)].map((match) => match.slice(1).map(Number));
    const file = lightFile(bytes);
    const names = [...file.columns.keys()];
    const [partitionAt, offsetAt] = [names.indexOf("log_partition"), names.indexOf("log_offset")];
    let rowsUnknown = 0;
    const rows = rowsOf(file, names);
    const left = rows.filter((row) => {
      const [partition, offset] = [Number(row[partitionAt]), Number(row[offsetAt])];
      if (partition < 0) rowsUnknown++;
      return !ranges.some(([of, from, to]) => of === partition && offset >= from! && offset < to!);
    });
    const kept = fileOf(names, left);
    const counts = { rowsKept: left.length, rowsGone: rows.length - left.length, rowsUnknown };
    if (destination && counts.rowsGone > 0 && counts.rowsKept > 0) {
      const handle = handleOf(kept);
      const checksum = new RunningChecksum();
      checksum.add(handle);
      const written = { bytes: handle.length, checksum: checksum.hex, rows: left.length };
      await destination(written, async (path) => {
        await edited.store.put(path, handle);
        return true;
      });
    }
    return { ...counts, stats: lightStats(kept) };
  }

  async close(): Promise<void> {}
}
