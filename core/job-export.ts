/** What is asked for when a job is to be a program of another engine. */
import { z } from "zod";
import { jobPlanRequestSchema } from "./job.ts";

export const EXPORT_TARGETS = ["flink", "spark"] as const;
export type ExportTarget = (typeof EXPORT_TARGETS)[number];

/** No quotes and no spaces: it stands in a program's text. */
const folder = z
  .string()
  .max(1_024)
  .regex(/^(file:\/\/\/|s3a?:\/\/|hdfs:\/\/)[^\s'"`\\]+$/, "file:///…, s3://…, s3a://… or hdfs://…");
const brokers = z
  .string()
  .max(1_024)
  .regex(/^kafka:\/\/[\w.,:[\]-]+$/, "kafka://host:port,…");

export const jobExportOptions = z.strictObject({
  to: z.enum(EXPORT_TARGETS),
  source: z
    .union([folder, brokers])
    .describe("a folder with a folder of JSON lines per event type, or brokers with a topic of each"),
  sink: folder.describe("a folder; results are in one named after their table"),
});

export type JobExportOptions = z.infer<typeof jobExportOptions>;

export const jobExportRequestSchema = jobPlanRequestSchema.extend(jobExportOptions.shape);
