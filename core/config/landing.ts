/** The configuration of what writes the lake: landing, the upkeep of tables, uploads. */
import { z } from "zod";
import { bytes, count, HOUR_MS, MIB, ms } from "./scalars.ts";

export const landSchema = z
  .strictObject({
    commitMs: ms(500).describe("a table commits at least this often while events arrive, ms"),
    commitsPerSecond: count(100).describe(
      "commits of all tables and projections together; beyond it tables commit less often",
    ),
    commitMsMax: ms(10_000).describe("beyond that budget a table still commits at least this often, ms"),
    // each has its events and its files in memory; at 32 a store of half a second still takes 60 commits/s
    parallelCommits: z
      .int()
      .min(1)
      .max(32)
      .default(2)
      .describe(
        "tables that land at once; more help where the lake is slow to answer, as S3 is, " +
          "and each takes memory for a commit of its own",
      ),
    commitBytes: bytes(64 * MIB).describe("payload bytes at which a table commits at once"),
    commitRows: count(25_000).describe(
      "events in one commit; bounds memory and how long the door waits for it",
    ),
    horizonHours: count(48).describe(
      "ingest times at most this far apart are compared for duplicates, hours",
    ),
    // the ids of one commit, and their journal, must fit beside the filters: about 500 bytes each
    dedupBytes: z
      .int()
      .min(16 * MIB)
      .default(512 * MIB)
      .describe(
        "memory for ids of all tables; beyond it ids are kept as filters, whose maybes the lake settles, bytes",
      ),
    generationHours: count(12).describe("ids are forgotten in steps of this, hours"),
    disorderMs: ms(5_000).describe("how far a partition may deliver behind its newest event, event time ms"),
    idleAfterMs: ms(60_000).describe(
      "silence at the log's end after which a partition stops holding the watermark, ms",
    ),
    skewMs: ms(HOUR_MS).describe("an event further ahead of its ingest time never moves the watermark, ms"),
    forced: z
      .string()
      .default("")
      .describe(
        "tables that this process lands whoever else owns them, their names with commas between; safe, and slower",
      ),
    projectMs: ms(1_000).describe("interval of the projections books, dead_letters and duplicates, ms"),
    imageIds: count(250_000).describe("new ids after which a table's state image is written"),
    imageCommits: count(1_000).describe("commits after which a table's state image is written"),
    holdDays: z
      .int()
      .nonnegative()
      .default(7)
      .describe("a table's log waits for a slow consumer this long beyond its retention, days"),
  })
  .prefault({});

export const upkeepSchema = z
  .strictObject({
    run: z
      .enum(["on", "off"])
      .default("on")
      .describe("whether this process keeps the lake's tables in shape"),
    compactMs: ms(30_000).describe("how often a table is looked at for files to be put together, ms"),
    compactFiles: z.int().min(2).default(16).describe("small files of a day that are put together at once"),
    compactTargetBytes: bytes(128 * MIB).describe("a file of this size is not rewritten any more, bytes"),
    compactFileBytes: bytes(256 * MIB).describe("files put together to one, bytes at most"),
    compactRunBytes: bytes(1_024 * MIB).describe("files of a table rewritten in one turn, bytes at most"),
    compactRunRows: count(50_000_000).describe("rows of a table rewritten in one turn, at most"),
    memoryBytes: bytes(1_024 * MIB).describe(
      "resident memory of the process that rewrites files; beyond it it is killed, bytes",
    ),
    tempBytes: bytes(8 * 1_024 * MIB).describe("disk that rewriting files may use for itself, bytes"),
    sweepAfterHours: z
      .int()
      .min(24)
      .default(24)
      .describe(
        "a file that no version of its table names is deleted at this age; no upload takes longer, hours",
      ),
    rewriteMs: ms(600_000).describe("a rewrite of files is killed after this, ms"),
    icebergMs: ms(60_000).describe(
      "how often tables with the annotation muara/iceberg are exported anew where they have changed, ms",
    ),
  })
  .prefault({});

export const currentSchema = z
  .strictObject({
    everyMs: ms(10_000).describe(
      "how often changes of captured tables are merged into their current state, ms",
    ),
    share: z
      .number()
      .min(0.001)
      .max(1)
      .default(0.1)
      .describe("of a core, that merges of one table take at most; they come less often instead"),
    slices: z
      .int()
      .min(1)
      .max(1_024)
      .default(16)
      .describe("parts of a current state by hash of the key, of which a merge writes those that it touches"),
    rows: count(2_000_000).describe("changes that are merged in one round, at most"),
  })
  .prefault({});

export const uploadSchema = z
  .strictObject({
    // S3 takes no smaller part, but for the last
    partBytes: z
      .int()
      .min(5 * MIB)
      .max(512 * MIB)
      .default(8 * MIB)
      .describe("files beyond two parts go to S3 in parts of this size, bytes"),
    parallelParts: z
      .int()
      .min(1)
      .max(64)
      .default(2)
      .describe("parts of a file that travel at once; so many are in memory"),
  })
  .prefault({});
