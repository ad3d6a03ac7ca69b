/**
 * `npm run proof:capture-silence -- [--seconds 60]`: a source that waits for ever (wal_sender_timeout = 0), and a
 * connection that dies without a word: the network swallows what both sides send, and nobody closes anything. Who
 * reads gives it up after twice the silence that it allows, never before, and what was written meanwhile is there once.
 */
import assert from "node:assert/strict";
import { hasCode } from "../../core/errors.ts";
import { makePlace, type Reader } from "../adapters/pg/replication-place.ts";
import { startPostgres } from "../services/postgres.ts";
import { startFailingNetwork } from "../services/toxiproxy.ts";
import { proofCommand, type ProofOptions } from "./proof-command.ts";

const SLOT = "silence";
const BUSY_MS = 100;
/** Shares of the silence after which the reader looks (adapters/pg/replication.ts), and what a machine may be late. */
const LOOKS = 3;
const LATE_MS = 5_000;

export interface SilenceResult {
  readonly quietMs: number;
  /** From the last byte that got through to the error. */
  readonly noticedMs: number;
  readonly rows: number;
}

/** @throws where it is noticed too early or too late, and where a row is missing or twice */
export async function runCaptureSilence({
  seconds,
}: ProofOptions & { readonly seconds: number }): Promise<SilenceResult> {
  const quietMs = seconds * 1_000;
  const server = await startPostgres({ wal_sender_timeout: "0" });
  const network = await startFailingNetwork(`http://${server.host}:${server.port}`);
  try {
    const place = await makePlace(server, "create table t (id int primary key)");
    await place.slot(SLOT);
    const address = { ...place.address, port: Number(new URL(network.url).port) };
    // Told rarely, so that it is the silence that is measured.
    const limits = { quietMs, statusMs: quietMs };
    const reader = await place.open(SLOT, { address, patience: "0", limits });
    await place.client.query("insert into t values (1)");
    await reader.until(() => reader.events.length === 1);
    // Idle, and well: whoever is asked answers, so nothing is given up.
    await outlive(reader, 2.5 * quietMs);
    for (const stream of ["upstream", "downstream"] as const)
      await network.add({ type: "timeout", stream, attributes: { timeout: 0 } });
    const startMs = performance.now();
    await place.client.query("insert into t select generate_series(2, 100)");
    const error: unknown = await failureOf(reader);
    const noticedMs = Math.round(performance.now() - startMs);
    assert(
      hasCode(error, "source.unavailable") && String(error).includes("nothing was heard"),
      String(error),
    );
    assert(noticedMs > 2 * quietMs - quietMs / LOOKS - LATE_MS, `noticed after ${noticedMs} ms`);
    assert(noticedMs < 2 * quietMs + quietMs / LOOKS + LATE_MS, `noticed after ${noticedMs} ms`);
    await reader.close();
    // The server will never notice by itself: that is what the check of a source warns of.
    await place.client.query(
      "select pg_terminate_backend(active_pid) from pg_replication_slots where active",
    );
    await network.heal();
    const again = await openWhenFree(() => place.open(SLOT));
    await again.until(() => again.events.length === 100);
    assert.deepEqual(
      again.events.map(({ data }) => data["id"]),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    await again.close();
    return { quietMs, noticedMs, rows: again.events.length };
  } finally {
    await network.stop();
    await server.stop();
  }
}

async function outlive(reader: Reader, ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  const failed = failureOf(reader, () => performance.now() > endMs);
  const error = await failed;
  assert(error === undefined, `given up although all is well: ${String(error)}`);
}

/** Reads on, in rounds that are shorter than the reader's own deadline. */
async function failureOf(reader: Reader, isDone: () => boolean = () => false): Promise<unknown> {
  while (!isDone()) {
    const roundMs = performance.now() + 10_000;
    try {
      await reader.until(() => isDone() || performance.now() > roundMs);
    } catch (error) {
      return error;
    }
  }
  return undefined;
}

async function openWhenFree(open: () => Promise<Reader>): Promise<Reader> {
  for (let tries = 0; ; tries++) {
    try {
      return await open();
    } catch (error) {
      if (tries > 200 || !hasCode(error, "source.busy")) throw error;
      await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
    }
  }
}

if (process.argv[1] === import.meta.filename) await proofCommand({ seconds: 60 }, runCaptureSilence);
