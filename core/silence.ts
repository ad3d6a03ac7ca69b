/**
 * Silences: for some time nobody is told of the alerts whose labels match. An alert under a silence has its states all
 * the same. After Alertmanager, and with its rule that not every matcher may match what has no label at all: such a
 * silence would hide everything.
 */
import { z } from "zod";
import type { Labels } from "./alert-labels.ts";
import { LabelMatcher } from "./alert-matcher.ts";
import { MuaraError } from "./errors.ts";

const SILENCE_MS_MAX = 366 * 86_400_000;

export const silenceSchema = z
  .strictObject({
    id: z.uuid(),
    matchers: z
      .array(
        z.strictObject({ name: z.string(), value: z.string(), isRegex: z.boolean(), isEqual: z.boolean() }),
      )
      .min(1)
      .max(64),
    startsAtMs: z.int().min(0),
    /** From then on it holds no more. */
    endsAtMs: z.int().min(0),
    by: z.string().max(200),
    comment: z.string().min(1).max(1_000),
  })
  .refine(({ startsAtMs, endsAtMs }) => endsAtMs > startsAtMs, {
    path: ["endsAtMs"],
    message: "after startsAtMs",
  })
  .refine(({ startsAtMs, endsAtMs }) => endsAtMs - startsAtMs <= SILENCE_MS_MAX, {
    path: ["endsAtMs"],
    message: "within 366 days of startsAtMs",
  });

export type Silence = z.infer<typeof silenceSchema>;

export class Silences {
  readonly #all: readonly { readonly silence: Silence; readonly matchers: readonly LabelMatcher[] }[];

  /** @throws alert.matcher_invalid */
  constructor(silences: readonly Silence[]) {
    this.#all = silences.map((silence) => {
      const matchers = silence.matchers.map((matcher) => new LabelMatcher(matcher));
      if (matchers.every((matcher) => matcher.matches({})))
        throw new MuaraError(
          "alert.matcher_invalid",
          "At least one matcher must not match an alert without labels.",
        );
      return { silence, matchers };
    });
  }

  /** Ids of those that hold for an alert. */
  of(labels: Labels, nowMs: number): string[] {
    return this.#all
      .filter(({ silence }) => silence.startsAtMs <= nowMs && nowMs < silence.endsAtMs)
      .filter(({ matchers }) => matchers.every((matcher) => matcher.matches(labels)))
      .map(({ silence }) => silence.id);
  }
}
