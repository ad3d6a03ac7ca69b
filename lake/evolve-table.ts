/**
 * Gives a table the columns that its writer needs, in one commit: new metadata, and where a type gets wider all files
 * written anew. Nobody sees a schema that the files do not fit, and no row changes: `dataChange` is false, cursors and
 * ids stay where they are. Statistics of a file stay, too: the values are the same.
 *
 * Another writer may be faster. One that adds columns, or files of the old type, makes this attempt void; files that
 * were rewritten already are used again. While files are written anew upkeep leaves the table alone, if it can: the
 * lease of compaction is taken where it is free, and done without where it is not.
 */
import type { Clock, Randomness } from "../core/clock.ts";
import type { Column } from "../core/columns.ts";
import { MuaraError } from "../core/errors.ts";
import type { Logger } from "../core/logger.ts";
import type { ObjectStore } from "../core/ports/object-store.ts";
import type {
  AddFile,
  TableCommit,
  TableLog,
  TableMetadata,
  TableSnapshot,
  Verdict,
} from "../core/ports/table-log.ts";
import { type Lease, REWRITE_LEASE, takeLease } from "./lease.ts";
import { FileRewriter } from "./rewrite.ts";
import { checkYoung, dataFilePath } from "./table/add-file.ts";
import { formatSchema, parseSchema } from "./table/delta-schema.ts";
import { evolveSchema, type SchemaStep } from "./table/evolve-schema.ts";
import { checkNotPaused } from "./table/table-pause.ts";
import { checkSchemaKnown, schemaVersionProperty } from "./table/table-schema-version.ts";
import { tableSchema } from "./tables.ts";

export interface EvolvePorts {
  readonly store: ObjectStore;
  readonly clock: Clock;
  readonly randomness: Randomness;
  readonly logger: Logger;
}

/** How long upkeep is asked to leave the table alone; files that take longer may be written in vain. */
const LEASE_MS = 600_000;

/**
 * @param version of the schema that `columns` are of; undefined: the type has none
 * @returns the newest snapshot, whose schema has all `columns`
 * @throws table.unsupported naming what cannot become what is declared; land.schema_unknown where the table has the
 *   columns of a newer version; table.paused, store.unavailable
 */
export async function evolveTable(
  ports: EvolvePorts,
  name: string,
  log: TableLog,
  base: TableSnapshot,
  columns: readonly Column[],
  version?: string,
): Promise<TableSnapshot> {
  const growth = new Growth(ports, name, version);
  try {
    let snapshot = base;
    for (;;) {
      const { metadata } = snapshot;
      if (!metadata) throw new MuaraError("table.not_found", `The table "${name}" has no commit yet.`);
      checkNotPaused(metadata, ports.clock.nowMs());
      checkSchemaKnown(metadata, version);
      const step = evolveSchema(parseSchema(metadata.schemaString), tableSchema(columns));
      if (!step) return snapshot;
      snapshot = await growth.commit(log, snapshot, metadata, step);
    }
  } finally {
    await growth.end();
  }
}

/** The attempts to give a table its new schema. */
class Growth {
  readonly #ports: EvolvePorts;
  readonly #name: string;
  readonly #version: string | undefined;
  /** By the path of the old file. */
  readonly #rewritten = new Map<string, AddFile>();
  #lease: Lease | undefined;

  constructor(ports: EvolvePorts, name: string, version: string | undefined) {
    this.#ports = ports;
    this.#name = name;
    this.#version = version;
  }

  /** @returns the newest snapshot: with the new schema, or of whoever came first */
  async commit(
    log: TableLog,
    base: TableSnapshot,
    metadata: TableMetadata,
    { schema, added, widened }: SchemaStep,
  ): Promise<TableSnapshot> {
    const { clock, logger } = this.#ports;
    const schemaString = formatSchema(schema);
    const isRewrite = widened.length > 0;
    if (isRewrite) await this.#rewrite(base, schemaString);
    const live = isRewrite ? [...base.files.keys()] : [];
    const add = live.map((path) => this.#rewritten.get(path)!);
    const nowMs = clock.nowMs();
    checkYoung(add, nowMs);
    const configuration = { ...metadata.configuration, ...schemaVersionProperty(this.#version) };
    const { outcome, snapshot } = await log.commit({
      base,
      change: {
        operation: isRewrite ? "CHANGE COLUMN" : "ADD COLUMNS",
        metadata: { ...metadata, schemaString, configuration },
        add,
        remove: live.map((path) => ({ path, deletionTimestamp: nowMs, dataChange: false })),
        txns: [],
        info: { kind: "schema", added, widened },
      },
      check: (winner) => judge(winner, isRewrite),
    });
    if (outcome === "committed") {
      const { version } = snapshot;
      const fields = { table: this.#name, version, added, widened, files: live.length };
      logger.info("a table's schema has grown", fields);
    }
    return snapshot;
  }

  async #rewrite(base: TableSnapshot, schemaString: string): Promise<void> {
    const { randomness } = this.#ports;
    const path = `${this.#name}/${REWRITE_LEASE}`;
    this.#lease ??= await takeLease(this.#ports, path, randomness.uuid(), LEASE_MS);
    await rewriteFiles(this.#ports, this.#name, base, schemaString, this.#rewritten);
  }

  async end(): Promise<void> {
    await this.#lease?.release();
  }
}

function judge(winner: TableCommit, isRewrite: boolean): Verdict {
  const movesFiles = winner.add.length + winner.remove.length > 0;
  return winner.metadata || (isRewrite && movesFiles) ? "abandon" : "rebase";
}

/** Writes every live file anew that was not yet. @param rewritten by the path of the old file; grows */
async function rewriteFiles(
  { store, clock, randomness }: EvolvePorts,
  name: string,
  snapshot: TableSnapshot,
  schemaString: string,
  rewritten: Map<string, AddFile>,
): Promise<void> {
  const partitionColumns = snapshot.metadata?.partitionColumns ?? [];
  const rewriter = new FileRewriter();
  const signal = new AbortController().signal;
  try {
    for (const file of snapshot.files.values()) {
      if (rewritten.has(file.path)) continue;
      const path = dataFilePath(file.partitionValues, randomness.uuid());
      const source = { store, table: name, files: [file], schemaString, partitionColumns };
      const { bytes: size, ...made } = await rewriter.rewrite({ ...source, orderBy: [], to: path }, signal);
      const modificationTime = clock.nowMs();
      const tags = { ...file.tags, ...made.tags };
      const written = { ...file, path, size, modificationTime, dataChange: false, tags };
      rewritten.set(file.path, written);
    }
  } finally {
    await rewriter.close();
  }
}
