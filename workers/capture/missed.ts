/**
 * Tables that a running capture was not told of, or not wholly: taken out of its publication, dropped, or without what
 * identifies their rows. The source says nothing of it in its stream, so it is looked for: now and then, and whenever a
 * capture goes on, before the publication is put right. What is found stays in the state until the table is copied
 * anew; the other tables go on.
 */
import type { Capture, CaptureState } from "../../core/capture.ts";
import { insertsPublicationName, publicationName } from "../../core/capture-names.ts";
import { hasIdentity } from "../../core/capture-source.ts";
import type { SourceDatabase, SourceTable } from "../../core/ports/source-database.ts";

const NO_IDENTITY =
  "it has neither a primary key nor a replica identity any more, so only its inserts are captured";
/** A publication of inserts cannot be made any more (prepare.ts). */
const NOTHING_LEFT =
  "it has neither a primary key nor a replica identity any more, so nothing of it is captured";
const GONE = "the source has no such table (any more)";

/**
 * @param tables those of the capture that the source has
 * @returns by table: why; only what the state does not have already
 */
export async function missedTables(
  database: Pick<SourceDatabase, "published">,
  capture: Capture,
  { missed = {}, tables: captured }: Pick<CaptureState, "missed" | "tables">,
  tables: ReadonlyMap<string, SourceTable>,
): Promise<Readonly<Record<string, string>>> {
  const whole = await database.published(publicationName(capture));
  const inserts = await database.published(insertsPublicationName(capture));
  const found: Record<string, string> = {};
  const names = [...Object.keys(captured), ...(capture.outbox ? [capture.outbox.table] : [])];
  for (const name of names) {
    const why = whyMissed(name, { whole, inserts, table: tables.get(name) });
    if (why !== undefined && missed[name] === undefined) found[name] = why;
  }
  return found;
}

function whyMissed(
  name: string,
  of: {
    readonly whole: readonly string[] | undefined;
    readonly inserts: readonly string[] | undefined;
    readonly table: SourceTable | undefined;
  },
): string | undefined {
  if (!of.table) return GONE;
  if (of.whole?.includes(name)) {
    if (hasIdentity(of.table)) return undefined;
    return of.inserts === undefined ? NOTHING_LEFT : NO_IDENTITY;
  }
  if (of.inserts?.includes(name)) return undefined;
  return of.whole === undefined ? "the publication was dropped" : "it was not in the publication";
}
