/** Issuers whose tokens are taken (OpenID Connect, RFC 9068), as the configuration declares them. */
import { z } from "zod";
import { ROLE_NAME } from "./role.ts";

/** Asymmetric only: with a shared secret whoever can check a token can make one. */
const ALGORITHMS = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;
/** A name becomes the first part of principals; these have a meaning already. */
const TAKEN: ReadonlySet<string> = new Set(["token", "role", "system", "anybody"]);
const LEEWAY_MS_MAX = 60_000;

const safeUrl = z.url().refine(isSafeAddress, "https, or http on this machine");

export const issuerSchema = z.strictObject({
  issuer: safeUrl,
  audience: z.union([z.string().min(1), z.array(z.string().min(1)).min(1).max(20)]),
  algorithms: z.array(z.enum(ALGORITHMS)).min(1).default(["RS256", "ES256"]),
  jwks: safeUrl.optional(),
  principalClaim: z.string().min(1).default("sub"),
  scopesClaim: z.string().min(1).nullable().default("scope"),
  rolesClaim: z.string().min(1).default("roles"),
  roles: z.record(z.string().min(1), z.array(z.string().regex(ROLE_NAME)).min(1)).default({}),
  leewayMs: z.int().min(0).max(LEEWAY_MS_MAX).default(30_000),
  maxAgeMs: z.int().positive().optional(),
});

export type Issuer = z.output<typeof issuerSchema>;

export const issuersSchema = z.record(
  z
    .string()
    .regex(ROLE_NAME, "a-z, 0-9, - and _, 63 at most")
    .refine((name) => !TAKEN.has(name), "this name is taken"),
  issuerSchema,
);

/** Keys must not be replaced on their way. */
export function isSafeAddress(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, hash } = new URL(text);
  if (username !== "" || password !== "" || hash !== "") return false;
  return (
    protocol === "https:" || (protocol === "http:" && ["127.0.0.1", "[::1]", "localhost"].includes(hostname))
  );
}
