/**
 * Keeps the export as Iceberg of tables that ask for one near the table, in the background. An erasure ends an export;
 * the next turn makes it anew, without what was erased. How far it is behind is the difference of two versions.
 *
 * The surprising rule: an annotation that is taken back ends nothing. Readers may rely on the export that is there;
 * `muara table iceberg --drop` ends it.
 */
import { type EventType } from "../../core/event-type.ts";
import { ICEBERG_ANNOTATION } from "../../core/event-type-annotations.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { TableSnapshot } from "../../core/ports/table-log.ts";
import type { UpkeepTask } from "../upkeep.ts";
import { exportIceberg, icebergHold, type IcebergHold } from "./export.ts";

export interface IcebergTaskPorts {
  readonly store: ObjectStore;
  readonly logger: Logger;
}

/** A task of upkeep. */
export function icebergTask({ store, logger }: IcebergTaskPorts, everyMs: number): UpkeepTask {
  return {
    name: "iceberg",
    everyMs,
    run: async (table, signal) => {
      const { name, eventType } = table;
      if (!wantsIceberg(eventType)) return;
      const newest = await table.snapshot();
      const exported = await icebergHold(store, name);
      if (signal.aborted || exported?.version === newest.version) return;
      const { version, files } = await exportIceberg(store, name, newest);
      logger.info("a table was exported as Iceberg", { table: name, version, files });
    },
  };
}

export interface IcebergLag {
  /** The table's version that readers of Iceberg see. */
  readonly version: number;
  /** Commits that they do not see. */
  readonly behindVersions: number;
  /** Time between the commits of that version and of the newest, ms. */
  readonly behindMs: number;
}

/** @returns undefined where nothing is exported */
export async function icebergLag(
  store: ObjectStore,
  table: string,
  newest: TableSnapshot,
): Promise<IcebergLag | undefined> {
  const exported = await icebergHold(store, table);
  return exported && lagOf(exported, newest);
}

export function lagOf({ version, committedMs }: IcebergHold, newest: TableSnapshot): IcebergLag {
  return {
    version,
    behindVersions: Math.max(0, newest.version - version),
    behindMs: Math.max(0, newest.timestampMs - committedMs),
  };
}

function wantsIceberg(eventType: EventType | undefined): boolean {
  return eventType?.annotations[ICEBERG_ANNOTATION] === "on";
}
