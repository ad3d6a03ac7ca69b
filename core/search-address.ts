/** Where an Elasticsearch cluster is, as the configuration tells it. */
import { z } from "zod";
import { secretSchema } from "./secret.ts";

export const SEARCH_NAME: RegExp = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export const searchAddressSchema = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .max(2_048)
    .refine((url) => new URL(url).username === "", "no user in the address: apiKey or password")
    .describe("of a node, or of what stands before them"),
  apiKey: secretSchema.optional().describe("encoded as the cluster shows it; read when a delivery starts"),
  user: z.string().min(1).max(255).optional(),
  password: secretSchema.optional(),
  ca: z.string().optional().describe("file of the authorities that are trusted, PEM; default: the system's"),
  replicas: z.int().min(0).max(10).default(1).describe("copies of each shard of the indices that are made"),
});

export const searchAddressesSchema = z.record(
  z.string().regex(SEARCH_NAME, "a-z, 0-9, - and _"),
  searchAddressSchema,
);

export type SearchAddress = z.infer<typeof searchAddressSchema>;
