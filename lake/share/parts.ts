/** A shared table of which something is hidden: its form, and its files in the place of the table's own. */
import type { Clock } from "../../core/clock.ts";
import { MuaraError } from "../../core/errors.ts";
import type { Logger } from "../../core/logger.ts";
import type { ObjectStore } from "../../core/ports/object-store.ts";
import type { AddFile, TableMetadata } from "../../core/ports/table-log.ts";
import type { Registry } from "../../core/registry.ts";
import { fileFilter } from "../query/file-filter.ts";
import type { TableRight } from "../query/part.ts";
import { ARRIVAL_COLUMNS, judgedConditions } from "../query/pins.ts";
import type { Restriction } from "../query/restriction.ts";
import type { QueryService } from "../query/service.ts";
import { partForm, rightName, sourceFilter, sourceName, type PartForm } from "./part-form.ts";
import { PartMaker } from "./part-maker.ts";
import { partsKeptMs, PartStore, type PartRecord } from "./part-store.ts";
import { signingKey } from "./signing-key.ts";

export interface PartsOptions {
  readonly urlMs: number;
  readonly filesMax: number;
  readonly partWaitMs: number;
  readonly partMs: number;
  readonly partsAtOnce: number;
  readonly partReadBytes: number;
  readonly partsBytes: number;
  readonly partsHours: number;
}

export interface PartsPorts {
  readonly registry: Registry;
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly query: Pick<QueryService, "copyParts" | "judgeConditions">;
}

/** One version's part of a table. */
export interface TablePart {
  readonly table: string;
  readonly right: TableRight;
  readonly rightName: string;
  readonly form: PartForm;
  /** Of the whole table. */
  readonly whole: TableMetadata;
}

export class SharedParts {
  readonly #ports: PartsPorts;
  readonly #options: PartsOptions;
  readonly #maker: PartMaker;

  constructor(ports: PartsPorts, options: PartsOptions) {
    this.#ports = ports;
    this.#options = options;
    const { partsBytes: bytesMax, urlMs, partWaitMs: waitMs, partMs: makeMs } = options;
    const store = new PartStore(ports.store, ports.clock, { keptMs: partsKeptMs(options), bytesMax, urlMs });
    const { partsAtOnce: atOnce, partReadBytes: readBytesMax } = options;
    this.#maker = new PartMaker({ ...ports, store }, { waitMs, makeMs, atOnce, readBytesMax });
  }

  /** The folder of files of this right. */
  async rightName(table: string, right: Pick<TableRight, "scopes">): Promise<string> {
    return rightName(await signingKey(this.#ports.registry), table, right);
  }

  /** @param table its own name @returns undefined where no column is visible */
  async of(table: string, right: TableRight, whole: TableMetadata): Promise<TablePart | undefined> {
    const key = await signingKey(this.#ports.registry);
    const name = rightName(key, table, right);
    const form = partForm(key, right, name, whole);
    return form && { table, right, rightName: name, form, whole };
  }

  /**
   * Which data files to read for a query with these hints: the others have no row that is visible and wanted.
   * @throws sql.failed where a condition does not fit the table
   */
  async sources(
    { table, right, form, whole }: TablePart,
    files: Iterable<AddFile>,
    hints: readonly (readonly Restriction[])[],
  ): Promise<readonly AddFile[]> {
    const judgeCondition = async (text: string) =>
      (await this.#ports.query.judgeConditions([text])).get(text)!;
    const { fields } = JSON.parse(whole.schemaString) as { fields: readonly { name: string }[] };
    const names = fields.map(({ name }) => name);
    const judged = await judgedConditions({ judgeCondition }, table, right, names);
    return [...files].filter(sourceFilter(right, form, whole, judged, hints, ARRIVAL_COLUMNS));
  }

  /**
   * The visible part of each data file, made where it is not there yet.
   * @returns by path of the data file; those without a visible row are left out
   * @throws share.preparing, share.busy, share.too_large
   */
  async files(part: TablePart, sources: readonly AddFile[]): Promise<ReadonlyMap<string, AddFile>> {
    const { filesMax } = this.#options;
    if (sources.length > filesMax)
      throw new MuaraError(
        "share.too_large",
        `The part would be made of ${sources.length} files, more than ${filesMax}.`,
        { details: { files: sources.length, filesMax } },
      );
    const key = await signingKey(this.#ports.registry);
    const byName = new Map(sources.map((file) => [sourceName(key, file.path), file]));
    const { table, rightName: right, form, whole } = part;
    const records = await this.#maker.records({ table, right, form, whole, sources: byName });
    const found = new Map<string, AddFile>();
    for (const [name, source] of byName) {
      const shown = fileOf(source, records.get(name)!, form);
      if (shown) found.set(source.path, shown);
    }
    return found;
  }

  /** Of files of a part, those that may have wanted rows, by what the part itself says. */
  wanted(
    { form: { schema } }: TablePart,
    files: Iterable<AddFile>,
    hints: readonly (readonly Restriction[])[],
  ): readonly AddFile[] {
    return [...files].filter(fileFilter(hints, schema.schemaString, schema.partitionColumns));
  }
}

/** Nothing of the data file but when it came, and what of its table partition is visible. */
function fileOf(
  { partitionValues, modificationTime, dataChange }: AddFile,
  { path, bytes, stats }: PartRecord,
  { schema: { partitionColumns } }: PartForm,
): AddFile | undefined {
  if (path === null) return undefined;
  const visible = Object.fromEntries(partitionColumns.map((name) => [name, partitionValues[name] ?? null]));
  return { path, partitionValues: visible, size: bytes, modificationTime, dataChange, stats };
}
