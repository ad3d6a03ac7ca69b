/** The configuration of rules and of whom they tell. */
import { z } from "zod";
import { RECEIVER_NAME, receiverSchema } from "../alert-receiver.ts";
import { count, ms } from "./scalars.ts";

export const alertsSchema = z
  .strictObject({
    everyMs: ms(1_000).describe("least time between two evaluations of a rule that runs per commit, ms"),
    timeoutMs: ms(30_000).describe("an evaluation's query is killed after this, ms"),
    resendMs: ms(60_000).describe("a firing alert is told to an Alertmanager again after this, ms"),
    sendMs: ms(10_000).describe("a receiver that has not answered after this takes nothing for now, ms"),
    pauseMsMax: ms(300_000).describe(
      "longest pause between two attempts at a receiver that takes nothing, ms",
    ),
    saveMs: ms(15_000).describe("that a rule is evaluated is written at least this often, ms"),
    standbyMs: ms(45_000).describe(
      "without a Kafka group: a process that has not written so long that it evaluates a rule is replaced, ms",
    ),
    concurrency: count(2).describe("queries of rules at a time"),
    rules: count(100).describe("rules that may be declared"),
    series: count(100).describe("series of one drop rule"),
    silences: count(1_000).describe("silences that may be declared"),
    externalUrl: z
      .union([z.literal(""), z.url({ protocol: /^https?$/ })])
      .default("")
      .describe("address of this Muara in alerts"),
    receivers: z
      .record(z.string().regex(RECEIVER_NAME, "a-z, 0-9, - and _"), receiverSchema)
      .default({})
      .describe(
        "whom rules may tell, by name: `{oncall: {alertmanager: [URL]}, chat: {webhook: URL, bearer: {file: PATH}}}`",
      ),
  })
  .prefault({});
