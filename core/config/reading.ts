/** The configuration of what reads the lake: SQL, extracts, shares and deliveries. */
import { z } from "zod";
import { DATABASE_NAME } from "../database-address.ts";
import { searchAddressesSchema } from "../search-address.ts";
import { bytes, count, HOUR_MS, MIB, ms } from "./scalars.ts";

export const liveSchema = z
  .strictObject({
    clients: count(100).describe("live streams that may be open on this process"),
    perPrincipal: count(10).describe("live streams that one principal may have open on this process"),
    tails: count(16).describe("tails that differ in event type or filter, of all who look"),
    eventsPerSecond: count(200).describe("events that a tail shows of all that come"),
    bufferBytes: bytes(1_048_576).describe("latest frames of a tail, for who was away for a moment, bytes"),
    slowMs: ms(10_000).describe("a client that takes nothing for so long is let go, ms"),
  })
  .prefault({});

export const querySchema = z
  .strictObject({
    timeoutMs: ms(30_000).describe("a query is killed after this, ms"),
    memoryBytes: bytes(1_024 * MIB).describe(
      "resident memory of a query process; beyond it it is killed, bytes",
    ),
    spillBytes: bytes(8 * 1_024 * MIB).describe(
      "disk that a query of a current state may take for changes that are not merged yet, bytes",
    ),
    rows: count(10_000).describe("rows in an answer unless the request asks for fewer or more"),
    rowsMax: count(1_000_000).describe("rows that a request may ask for"),
    sqlBytes: bytes(65_536).describe("length of the SQL text, bytes"),
    concurrency: count(4).describe("queries at a time"),
    warm: z.int().min(0).max(8).default(1).describe("query processes kept ready"),
    answerBytes: bytes(512 * MIB).describe("length of an answer; beyond it it is cut off, bytes"),
    cacheBytes: bytes(4 * 1_024 * MIB).describe(
      "copies of a lake on S3 in DATA/cache; a query that reads more is refused, bytes",
    ),
    namespace: z
      .enum(["auto", "required", "off"])
      .default("auto")
      .describe(
        "query processes in namespaces of their own: where the machine allows it, or no SQL without, or never",
      ),
  })
  .prefault({});

export const extractSchema = z
  .strictObject({
    everyMs: ms(60_000).describe("interval at which feeds are looked at, ms"),
    fileBytes: bytes(128 * MIB).describe("size beyond which a window is cut into several files, bytes"),
    windowBytes: bytes(8 * 1_024 * MIB).describe("one window as Parquet; a larger one is refused, bytes"),
    memoryBytes: bytes(1_024 * MIB).describe("memory for making one window, bytes"),
    timeoutMs: ms(600_000).describe("making one window is given up after this, ms"),
    linkMs: z
      .int()
      .min(1_000)
      .max(7 * 24 * HOUR_MS)
      .default(HOUR_MS)
      .describe("how long a presigned address of a file is good, ms"),
  })
  .prefault({});

export const shareSchema = z
  .strictObject({
    endpoint: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        "address of this Muara in profile files and in addresses of shared files; default: as the request says",
      ),
    delivery: z
      .enum(["presigned", "proxied"])
      .default("presigned")
      .describe(
        "files of a lake on S3: by addresses that S3 itself serves, or through Muara; elsewhere always through Muara",
      ),
    urlMs: z
      .int()
      .min(1_000)
      .max(604_800_000)
      .default(900_000)
      .describe("how long the address of a shared file is good, ms"),
    filesMax: count(10_000).describe("files in one answer; a table or a range with more is refused"),
    versionsMax: count(10_000).describe("versions in one request for changes; more are refused"),
    pageItems: count(500).describe("shares, schemas or tables in one page of a list"),
    bodyBytes: bytes(MIB).describe("body of a request to read a shared table, bytes"),
    partWaitMs: ms(20_000).describe(
      "how long a request waits for files of a part of a table to be made; then it is told to come back, ms",
    ),
    partMs: ms(600_000).describe("making such files is killed after this, ms"),
    partsAtOnce: count(1).describe("parts of tables for which files are made at a time"),
    partReadBytes: bytes(4 * 1_024 * MIB).describe(
      "data files that are read for one answer of a part of a table; more is refused, bytes",
    ),
    partsBytes: bytes(4 * 1_024 * MIB).describe("files of parts of one table that are kept, bytes at most"),
    partsHours: z.int().min(1).default(6).describe("files of parts are deleted at this age, hours"),
  })
  .prefault({});

export const deliverSchema = z
  .strictObject({
    everyMs: ms(500).describe(
      "interval at which a delivery looks at its table; of commits of its own process it is told at once, ms",
    ),
    saveMs: ms(500).describe("how far a delivery is is written at most this often, ms"),
    pauseMsMax: ms(300_000).describe(
      "longest pause between two attempts at a receiver that takes nothing, ms",
    ),
    standbyMs: ms(10_000).describe(
      "a process that delivers and has not written how far for so long is replaced by another, ms",
    ),
    refusedMax: count(100).describe(
      "rows refused in a row; beyond it nothing becomes a dead letter until one is taken",
    ),
    deliveries: count(100).describe("deliveries that may be declared"),
    postgresConnections: count(8).describe(
      "connections of deliveries to one of `postgres`, of this process; further deliveries take turns",
    ),
    postgres: z
      .array(z.string().regex(DATABASE_NAME, "a-z, 0-9, - and _"))
      .default([])
      .describe("databases that deliveries may write to, names in `postgres`; no other ones"),
    kafka: z
      .record(z.string(), z.string().startsWith("kafka://"))
      .default({})
      .describe("clusters that deliveries may go to, by name: { name: kafka://HOST:PORT,… }"),
    elasticsearch: searchAddressesSchema
      .default({})
      .describe("search engines that deliveries may write to, by name"),
  })
  .prefault({});

export const jobsSchema = z
  .strictObject({
    everyMs: ms(500).describe(
      "interval at which a job looks at its inputs where nobody tells of commits, ms",
    ),
    quietMs: ms(30_000).describe("how far a job without new rows is is written after this, ms"),
    pauseMsMax: ms(60_000).describe("longest pause between two attempts of a job that fails, ms"),
    standbyMs: ms(60_000).describe(
      "without a Kafka group: who finds a job moved by another process looks at it again after this, ms",
    ),
    jobs: count(100).describe("jobs that may be declared"),
    memoryBytes: bytes(4 * 1_024 * MIB).describe("memory that one job may ask for, bytes"),
    threads: count(4).describe("threads that one job may ask for"),
  })
  .prefault({});
