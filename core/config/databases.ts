/** The configuration of databases: where they are, and how their changes are captured. */
import { z } from "zod";
import { databaseAddressesSchema } from "../database-address.ts";
import { bytes, count, MIB, ms } from "./scalars.ts";

export const postgresSchema = databaseAddressesSchema.default({});

export const captureSchema = z
  .strictObject({
    captures: count(64).describe("captures that may be declared"),
    statusMs: ms(10_000).describe(
      "how often a source is told what is durable, at most; a third of its wal_sender_timeout where that is less, ms",
    ),
    batchBytes: bytes(4 * MIB).describe("changes that are handed over at once, as events, bytes"),
    batchMs: ms(50).describe("changes wait for company no longer than this, ms"),
    queueBytes: bytes(32 * MIB).describe(
      "of one capture, read and not durable yet; beyond it the source waits, bytes",
    ),
    quietMs: ms(60_000).describe(
      "of a source whose wal_sender_timeout is 0: a connection that says nothing for twice as long is given up, ms",
    ),
    pauseMsMax: ms(30_000).describe("longest pause between two attempts at a source, ms"),
    heartbeatMs: ms(10_000).describe(
      "how often a message is written into a source whose capture asks for it, ms",
    ),
    copyRows: count(10_000).describe("rows in one chunk of a copy that can be resumed"),
    copyOnceRows: count(1_000_000).describe(
      "tables that have more, as the source estimates, are copied in chunks",
    ),
    heldMs: ms(300_000).describe(
      "a transaction of a source that is open for longer, while a copy has to wait for it, is an alert, ms",
    ),
    lagBytes: bytes(1_024 * MIB).describe(
      "log that a source keeps for a capture; beyond it there is an alert, bytes",
    ),
    silentMs: ms(60_000).describe("a declared capture that nobody runs for so long is an alert, ms"),
  })
  .prefault({});
