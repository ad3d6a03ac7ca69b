/** What a capture has at its source: told by a table's identity, taken away when it is removed. */
import type { CaptureState } from "./capture.ts";
import { hasCode } from "./errors.ts";
import type { SourceDatabase, SourceTable } from "./ports/source-database.ts";

/** The slot and the publications of a state. @throws source.busy while somebody reads the slot */
export async function takeAway(
  database: SourceDatabase,
  state: CaptureState | undefined,
  keepsPublications = false,
): Promise<void> {
  if (!state) return;
  if (state.slot !== "") await database.dropSlot(state.slot);
  if (keepsPublications) return;
  for (const name of [state.publication, `${state.publication}_inserts`])
    await database.unpublish(name).catch((error: unknown) => {
      // One that the owner of the tables has made is his.
      if (!hasCode(error, "source.refused")) throw error;
    });
}

/** Without one the source refuses updates of a table whose updates are published. */
export function hasIdentity({ identity, key }: Pick<SourceTable, "identity" | "key">): boolean {
  return identity === "full" || (identity !== "nothing" && key.length > 0);
}
