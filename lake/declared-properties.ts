/**
 * What a table says of itself that its event type declares: how long rows are kept, and whose they are. They are
 * properties of the Delta table, so that whoever opens it by path sees them, too. Landing writes them when it creates
 * the table, and keeps them in step when the type is declared anew, by a commit of metadata only.
 *
 * The surprising rule: of several processes one may not have read the newest declaration yet. The property
 * `muara.declaredAt` says of when the others are, and an older declaration changes nothing; otherwise the two would
 * take turns.
 */
import type { Clock } from "../core/clock.ts";
import { type EventType } from "../core/event-type.ts";
import { lakeRetention } from "../core/event-type-annotations.ts";
import type { Logger } from "../core/logger.ts";
import type { TableLog, TableMetadata, TableSnapshot } from "../core/ports/table-log.ts";
import { setProperties } from "./table/set-properties.ts";
import { OWNER, RETENTION } from "./table/table-properties.ts";
import { checkNotPaused } from "./table/table-pause.ts";

const DECLARED_AT = "muara.declaredAt";

type Properties = Readonly<Record<string, string>>;

interface PropertyPorts {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** For a table that is created. */
export function declaredProperties(type: EventType): Properties {
  const retention = lakeRetention(type);
  return {
    [OWNER]: type.owning_application,
    ...(retention === undefined ? {} : { [RETENTION]: retention }),
    ...(type.updated_at === undefined ? {} : { [DECLARED_AT]: type.updated_at }),
  };
}

/**
 * Gives a table the properties of its type where it has others.
 * @returns the newest snapshot
 * @throws table.paused, table.commit_conflict where others change the metadata all the time, store.unavailable
 */
export async function keepProperties(
  { clock, logger }: PropertyPorts,
  log: TableLog,
  found: TableSnapshot,
  type: EventType,
): Promise<TableSnapshot> {
  const snapshot = await setProperties(log, found, {
    kind: "properties",
    decide: (metadata) => {
      const wanted = inStep(metadata, type);
      if (wanted) checkNotPaused(metadata, clock.nowMs());
      return wanted;
    },
  });
  if (snapshot === found) return found;
  const retention = snapshot.metadata?.configuration[RETENTION] ?? null;
  logger.info("a table has the properties of its declaration", { table: type.name, retention });
  return snapshot;
}

/** @returns undefined where nothing is to change */
function inStep({ configuration }: TableMetadata, type: EventType): Properties | undefined {
  const wanted = declaredProperties(type);
  const isSame = [OWNER, RETENTION].every((name) => configuration[name] === wanted[name]);
  const isOlder = (configuration[DECLARED_AT] ?? "") > (type.updated_at ?? "");
  if (isSame || isOlder) return undefined;
  const { [OWNER]: _owner, [RETENTION]: _retention, ...others } = configuration;
  return { ...others, ...wanted };
}
