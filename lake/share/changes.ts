/**
 * The change feed of a shared table, from what its commits say: every row that a version added, by the files that it
 * added. Compaction moves rows and changes none, so it gives nothing.
 *
 * Rows that went away: those that retention took give nothing either, since the table says how long it keeps rows
 * (`muara.retention`), and whoever copies it decides for himself. What a foreign writer, or a rollback, removed comes
 * as removed files, as the protocol has it. A version that erased somebody's rows is refused, and all feeds across it:
 * their files must not be handed out again, and copies made so far hold those rows. Reading the table anew, and going
 * on after that version, is the right answer to it.
 */
import { MuaraError } from "../../core/errors.ts";
import type {
  AddFile,
  TableCommit,
  TableLog,
  TableMetadata,
  TableSnapshot,
} from "../../core/ports/table-log.ts";
import type { SharedTable } from "../../core/share.ts";
import { fileLine, metadataLine, protocolLine, type Line } from "./format.ts";
import type { SharedParts, TablePart } from "./parts.ts";
import {
  demandHistory,
  notKept,
  type OpenTable,
  type ShareAnswer,
  type ShareReader,
  type ShareReading,
} from "./reader.ts";

const READ_AHEAD = 16;
/** `info.kind` of our commits that remove rows. */
const KIND = "kind";

export interface ChangesQuery {
  /** Included. */
  readonly startingVersion: number;
  /** Included; the newest where it is not given. */
  readonly endingVersion?: number | undefined;
  /** Whether schemas that changed on the way are told. */
  readonly hasMetadata: boolean;
}

interface Change {
  readonly kind: "add" | "remove";
  readonly add: AddFile;
  readonly at: { readonly version: number; readonly timestampMs: number };
}

/**
 * @throws share.history_off, share.too_large, share.changes_gone, share.changes_erased, table.version_not_found,
 *   request.malformed
 */
export async function changesOf(
  reader: ShareReader,
  reading: ShareReading,
  query: ChangesQuery,
): Promise<ShareAnswer> {
  const { shared, format } = reading;
  demandHistory(shared);
  const table = await reader.open(reading);
  const { name, snapshot } = table;
  const from = query.startingVersion;
  const to = Math.min(query.endingVersion ?? snapshot.version, snapshot.version);
  checkRange(reader, shared, from, to, snapshot);
  const log = reader.ports.catalog.log(name);
  const at = to === snapshot.version ? snapshot : await log.snapshot({ version: to });
  const whole = at.metadata ?? table.metadata;
  const part = await reader.part(reading, table, whole);
  const shown = part?.form.metadata ?? whole;
  const lines: Line[] = [];
  const changes: Change[] = [];
  for await (const commit of commitsOf(log, shared, from, to)) {
    if (query.hasMetadata && commit.metadata && commit.version > from)
      lines.push(...(await metadataIn(reader, reading, table, commit.version, commit.metadata)));
    changes.push(...(await changesIn(log, commit, shared)));
    if (changes.length > reader.options.filesMax) throw tooMany(reader.options.filesMax, commit.version);
  }
  const gone = changes.find(({ add }) => !reader.isKept(snapshot, add.path));
  if (gone)
    throw new MuaraError(
      "share.changes_gone",
      `The files of version ${gone.at.version} are no longer kept.`,
      {
        details: { version: gone.at.version, newestVersion: snapshot.version },
      },
    );
  const visible = part ? await visibleOf(reader.parts, part, changes) : changes;
  const address = await reader.addresses(reading, name, to, visible.length);
  const files = visible.map(async ({ kind, add, at: when }) =>
    fileLine(format, kind, shown.id, { add, ...(await address(add)), at: when }),
  );
  const head = metadataLine(format, { metadata: shown, version: from, shared });
  return {
    version: from,
    lines: [protocolLine(format, shared), head, ...lines, ...(await Promise.all(files))],
  };
}

/** Of a table with hidden rows or columns, the visible part of what each change added or took away. */
async function visibleOf(
  parts: SharedParts,
  part: TablePart,
  changes: readonly Change[],
): Promise<readonly Change[]> {
  const sources = await parts.sources(
    part,
    changes.map(({ add }) => add),
    [[]],
  );
  const files = await parts.files(part, sources);
  return changes.flatMap((change) => {
    const add = files.get(change.add.path);
    return add ? [{ ...change, add }] : [];
  });
}

/** What a version did with the schema, as far as the recipient sees it. */
async function metadataIn(
  reader: ShareReader,
  { shared, format }: ShareReading,
  { name, right }: OpenTable,
  version: number,
  whole: TableMetadata,
): Promise<readonly Line[]> {
  const part = right.isWhole ? undefined : await reader.parts.of(name, right, whole);
  if (!right.isWhole && !part) return []; // none of the columns was there
  return [metadataLine(format, { metadata: part?.form.metadata ?? whole, version, shared })];
}

function checkRange(
  { options }: ShareReader,
  shared: SharedTable,
  from: number,
  to: number,
  newest: TableSnapshot,
): void {
  const newestVersion = newest.version;
  if (from > newestVersion)
    throw notKept(shared, "The range begins after the newest version.", { newestVersion });
  if (to < from) throw new MuaraError("request.malformed", "The range of versions ends before it begins.");
  const { versionsMax } = options;
  if (to - from + 1 <= versionsMax) return;
  throw new MuaraError(
    "share.too_large",
    `The range has ${to - from + 1} versions, more than ${versionsMax}; give an earlier endingVersion.`,
    { details: { versions: to - from + 1, versionsMax } },
  );
}

function tooMany(filesMax: number, version: number): MuaraError {
  return new MuaraError(
    "share.too_large",
    `The changes up to version ${version} have more than ${filesMax} files; give an earlier endingVersion.`,
    { details: { filesMax, version } },
  );
}

/** @throws share.changes_gone where the log has been cleaned up */
async function* commitsOf(
  log: TableLog,
  shared: SharedTable,
  from: number,
  to: number,
): AsyncGenerator<TableCommit> {
  for (let next = from; next <= to; next += READ_AHEAD) {
    const count = Math.min(READ_AHEAD, to - next + 1);
    const commits = await Promise.all(Array.from({ length: count }, (_, i) => readKept(log, next + i)));
    for (const [i, commit] of commits.entries()) {
      if (commit) yield commit;
      else
        throw new MuaraError("share.changes_gone", `Version ${next + i} is no longer kept.`, {
          details: { table: `${shared.schema}.${shared.name}`, version: next + i },
        });
    }
  }
}

async function readKept(log: TableLog, version: number): Promise<TableCommit | undefined> {
  try {
    return await log.read(version);
  } catch (error) {
    if (error instanceof MuaraError && error.code === "table.version_not_found") return undefined;
    throw error;
  }
}

async function changesIn(
  log: TableLog,
  commit: TableCommit,
  shared: SharedTable,
): Promise<readonly Change[]> {
  const at = { version: commit.version, timestampMs: commit.timestampMs };
  const added = commit.add.filter((add) => add.dataChange).map((add): Change => ({ kind: "add", add, at }));
  const removed = commit.remove.filter((remove) => remove.dataChange);
  if (removed.length === 0) return added;
  const kind = commit.info[KIND];
  // What stays of a file that it took a part of was there before.
  if (kind === "retention") return [];
  if (kind !== undefined && kind !== "rollback" && kind !== "current")
    throw new MuaraError(
      "share.changes_erased",
      `Version ${commit.version} erased rows; read the table anew and go on with version ${commit.version + 1}.`,
      { details: { table: `${shared.schema}.${shared.name}`, version: commit.version } },
    );
  // What a commit removes it names by path alone.
  const { files } = await log.snapshot({ version: commit.version - 1 });
  const removals = removed.flatMap(({ path }): readonly Change[] => {
    const add = files.get(path);
    return add ? [{ kind: "remove", add, at }] : [];
  });
  return [...removals, ...added];
}
