/** Where a secret of the configuration is kept. The configuration is shown and logged, so it never holds one itself. */
import { z } from "zod";

export const secretSchema = z.union(
  [
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ env: z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/) }),
  ],
  { error: "{ file: PATH } or { env: NAME }" },
);

export type Secret = z.infer<typeof secretSchema>;

/** Reads it anew each time, so that a rotated one counts. @throws config.invalid where there is none */
export type ReadSecret = (secret: Secret) => Promise<string>;
