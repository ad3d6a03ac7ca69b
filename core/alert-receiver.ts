/** Whom rules may tell: the configuration names them, and nobody else is told. */
import { z } from "zod";
import { secretSchema } from "./secret.ts";

export const RECEIVER_NAME: RegExp = /^[a-z0-9][a-z0-9_-]{0,62}$/;

const address = z
  .url({ protocol: /^https?$/ })
  .max(2_048)
  .refine((url) => URL.canParse(url) && new URL(url).username === "", "no user in the address: bearer");

export const receiverSchema = z
  .strictObject({
    alertmanager: z
      .array(address)
      .min(1)
      .max(10)
      .optional()
      .describe("Alertmanagers of one cluster, without /api/v2"),
    webhook: address.optional().describe("takes Alertmanager's webhooks, version 4"),
    bearer: secretSchema.optional().describe("sent as authorization; read at each sending"),
  })
  .refine(({ alertmanager, webhook }) => (alertmanager === undefined) !== (webhook === undefined), {
    message: "one of alertmanager and webhook",
  });

export type AlertReceiver = z.infer<typeof receiverSchema>;
