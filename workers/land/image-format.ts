/**
 * The heading of a state image as bytes: JSON, a line break, the SHA-256 of the JSON in hex. Ids lie beside it, one
 * object per generation, each named and digested here, so that what did not change is not written again.
 */
import { createHash } from "node:crypto";
import { z } from "zod";

const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));
const count = z.int().nonnegative();

const headingSchema = z.strictObject({
  format: z.literal("muara state image 3"),
  /** Of the Delta table. */
  tableId: z.string(),
  version: count,
  /** Which commit that version was: another history has another one. */
  writing: z.string().min(1),
  /** Of the secret that keys the identities. */
  fingerprint: hex(32),
  horizonMs: count,
  generationMs: count,
  generations: z.array(
    z.strictObject({
      number: z.int(),
      /** Object beside the heading: [entry × 20 bytes] as `IdentitySet.exportGeneration` gives them. */
      name: z.string().regex(/^[0-9a-f-]{36}\.ids$/),
      bytes: count,
      sha256: hex(64),
      /** Sealed ones, oldest first, as `IdentitySet.exportPart` gives them. */
      parts: z.array(
        z.strictObject({ name: z.string().regex(/^[0-9a-f-]{36}\.part$/), bytes: count, sha256: hex(64) }),
      ),
    }),
  ),
});

export type ImageHeading = z.infer<typeof headingSchema>;
export type ImageGeneration = ImageHeading["generations"][number];
export type ImagePart = ImageGeneration["parts"][number];

export function encodeHeading(heading: ImageHeading): Uint8Array {
  const text = JSON.stringify(heading);
  return new TextEncoder().encode(`${text}\n${sha256(new TextEncoder().encode(text))}`);
}

/** @returns undefined for anything that is not whole or of another format */
export function decodeHeading(bytes: Uint8Array): ImageHeading | undefined {
  const [text = "", digest] = new TextDecoder().decode(bytes).split("\n");
  if (sha256(new TextEncoder().encode(text)) !== digest) return undefined;
  try {
    return headingSchema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined; // whole, but no JSON: nothing of ours
  }
}

/** Hex. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
