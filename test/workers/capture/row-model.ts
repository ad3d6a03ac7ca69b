/** What the changes of a captured table `t (id, v)` make of rows, against the rows that its source has. */
import { eventually } from "../../services/muara.ts";
import { type CapturePlace, type ChangeRecord, STREAMS_MS_MAX } from "./capture-place.ts";

/** The rows that the changes leave, each with its key and value: a model of a current state. */
function current(records: readonly ChangeRecord[]): string[] {
  const rows = new Map<string, unknown>();
  for (const { source, key, data } of records) {
    if (source.change === "truncate") rows.clear();
    else if (source.change === "delete") rows.delete(key!);
    else rows.set(key!, data["v"]);
  }
  return [...rows].map(([key, v]) => `${key} ${v as string}`).toSorted();
}

async function expected(place: CapturePlace): Promise<string[]> {
  const rows = await place.sql("SELECT id, v FROM t");
  return rows.map(({ id, v }) => `["shop",${id as number}] ${v as string}`).toSorted();
}

/** Until the changes of `shop.public.t` give the rows of `t` (id, v). */
export async function agree(place: CapturePlace): Promise<void> {
  const rows = await expected(place);
  await eventually("the changes give the source's rows", STREAMS_MS_MAX, async () => {
    const have = current(await place.records("shop.public.t"));
    return have.length === rows.length && have.every((row, i) => row === rows[i]);
  }).catch(async (error: unknown) => {
    const have = new Set(current(await place.records("shop.public.t")));
    throw new Error(
      `${String(error)}; missing ${rows
        .filter((row) => !have.has(row))
        .slice(0, 5)
        .join()}`,
    );
  });
}
