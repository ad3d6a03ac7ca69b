/** Where a PostgreSQL database is, as the configuration tells it. */
import { z } from "zod";
import { secretSchema } from "./secret.ts";

export const DATABASE_NAME: RegExp = /^[a-z0-9][a-z0-9_-]{0,62}$/;

export const databaseAddressSchema = z.strictObject({
  host: z.string().min(1).max(255).describe("name or address, or the folder of a socket"),
  port: z.int().min(1).max(65_535).default(5_432),
  database: z.string().min(1).max(63),
  user: z.string().min(1).max(63),
  password: secretSchema.optional().describe("read anew for every connection"),
  tls: z
    .strictObject({
      ca: z
        .string()
        .optional()
        .describe("file of the authorities that are trusted, PEM; default: the system's"),
      serverName: z.string().optional().describe("name in the certificate; default: host"),
      certificate: z.string().optional().describe("file, PEM: who we are"),
      key: z.string().optional().describe("file, PEM"),
    })
    .or(z.literal("off"))
    .default("off")
    .describe("with an object: always, and the certificate is checked"),
  connectMs: z.int().min(100).max(120_000).default(10_000).describe("until a connection must be there, ms"),
  statementMs: z.int().min(100).default(60_000).describe("longest statement that is no copy, ms"),
});

export const databaseAddressesSchema = z.record(
  z.string().regex(DATABASE_NAME, "a-z, 0-9, - and _"),
  databaseAddressSchema,
);

export type DatabaseAddress = z.infer<typeof databaseAddressSchema>;
