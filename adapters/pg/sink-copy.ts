/** Rows on their way into a table of an operational data store, by COPY in text form. */
import { once } from "node:events";
import type { Client } from "pg";
import { from as copyFrom } from "pg-copy-streams";
import { MuaraError } from "../../core/errors.ts";
import { databaseError } from "./failure.ts";
import type { TargetPlan } from "./sink-columns.ts";
import type { TableName } from "./sink-table.ts";

const CHUNK_CHARACTERS = 1 << 16;
/** The server reads while the next rows are written down. */
const QUEUED_BYTES_MAX = 1 << 20;

export interface Shape {
  readonly table: TableName;
  readonly plan: TargetPlan;
  /** Real types of the target's columns. */
  readonly types: ReadonlyMap<string, string>;
}

/** @param lines each with its end @throws source.* */
export function copyLines(client: Client, sql: string, lines: Iterable<string>): Promise<void> {
  return copyChunks(client, sql, gathered(lines));
}

/** @param chunks of lines @throws source.* */
export async function copyChunks(
  client: Client,
  sql: string,
  chunks: Iterable<string | Buffer>,
): Promise<void> {
  const stream = client.query(copyFrom(sql, { highWaterMark: QUEUED_BYTES_MAX }));
  const told = new Promise<never>((_, reject) =>
    stream.on("error", (error) => reject(databaseError(error, "COPY"))),
  );
  const done = new Promise<void>((resolve) => stream.on("finish", resolve));
  const ended = Promise.race([done, told]);
  // Whoever waits below is told of an error; nobody else may be.
  ended.catch(() => undefined);
  try {
    for (const chunk of chunks) if (!stream.write(chunk)) await Promise.race([once(stream, "drain"), ended]);
    stream.end();
  } catch (error) {
    if (!(error instanceof MuaraError)) stream.destroy();
    throw error;
  }
  await ended;
}

function* gathered(lines: Iterable<string>): Generator<string> {
  let chunk = "";
  for (const line of lines) {
    chunk += line;
    if (chunk.length < CHUNK_CHARACTERS) continue;
    yield chunk;
    chunk = "";
  }
  if (chunk !== "") yield chunk;
}
