/**
 * Single tables that are to be copied anew, beside a stream that goes on: what is here of them is emptied as of where
 * the stream begins, then they are copied in chunks like any other.
 */
import type { Capture, CapturedTable, CaptureState } from "../../core/capture.ts";
import type { Logger } from "../../core/logger.ts";
import type { BindRelation } from "../../core/ports/source.ts";
import type { SourceDatabase } from "../../core/ports/source-database.ts";
import type { AppendPorts } from "../ingest/append-at-last.ts";
import { appendChanges } from "./append-changes.ts";
import type { StateKeeper } from "./state-keeper.ts";

export interface CopyAgainPorts extends AppendPorts {
  readonly database: SourceDatabase;
  readonly keeper: StateKeeper;
  readonly logger: Logger;
}

/**
 * To be called by who has the slot, before the first change is appended. Broken off, it is done again: to be emptied
 * twice at one place is the same as once.
 * @returns the state with these tables waiting
 */
export async function copyAgain(
  ports: CopyAgainPorts,
  capture: Capture,
  state: CaptureState,
  bind: BindRelation,
  signal: AbortSignal,
): Promise<CaptureState> {
  const { database, keeper, logger } = ports;
  const wanted = Object.entries(capture.again ?? {}).filter(
    ([name, again]) => state.tables[name] && state.tables[name].again !== again,
  );
  if (wanted.length === 0) return state;
  const present = await database.tables(wanted.map(([name]) => name));
  const chunks = await database.copy().inChunks();
  try {
    let next = state;
    for (const [name, again] of wanted) {
      const found = present.get(name);
      if (!found || found.key.length === 0) {
        logger.error("a table cannot be copied anew by itself: it is gone, or has no key", { table: name });
        next = await keeper.update((now) => withTable(now, name, { again }));
        continue;
      }
      const { schema, name: table } = found;
      const { shard } = capture;
      const part = await chunks.emptied(
        { schema, name: table, shard, incarnation: state.incarnation, bind },
        BigInt(state.lsn),
      );
      if (part) await appendChanges(ports, part.stream, part.partition, part.records, signal);
      logger.info("a table is copied anew", { capture: capture.name, table: name });
      next = await keeper.update((now) => withoutMissed(withTable(now, name, { ...FRESH, again }), name));
    }
    return next;
  } finally {
    await chunks.close();
  }
}

const FRESH: Partial<CapturedTable> = {
  copy: "waiting",
  copiedTo: null,
  copiedRows: 0,
  isCopiedToEnd: false,
  copyAgain: [],
  completeAt: null,
};

function withTable(state: CaptureState, name: string, change: Partial<CapturedTable>): CaptureState {
  return { ...state, tables: { ...state.tables, [name]: { ...state.tables[name]!, ...change } } };
}

function withoutMissed(state: CaptureState, name: string): CaptureState {
  const { missed, ...rest } = state;
  const { [name]: _, ...others } = missed ?? {};
  return Object.keys(others).length === 0 ? rest : { ...rest, missed: others };
}
