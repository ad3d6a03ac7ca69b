/** What a look at the series of a drop rule has found: of each closed window the series that are dropping. */
import type { AlertResult } from "../../core/alert.ts";
import { cut, filledTexts } from "../../core/alert-text.ts";
import { dropEvidence, type DropVerdict } from "../../core/drop-verdict.ts";
import type { DropRule, RuleRequest } from "../../core/rule.ts";
import type { WeekClock } from "../../core/week-slot.ts";

const LABEL_LENGTH_MAX = 1_024;
/** What annotations of a drop rule may name beside its labels. */
export const DROP_FACTS = [
  "value",
  "evidence",
  "expected",
  "baseline",
  "window_start",
  "window_end",
] as const;

export type DropResultRule = RuleRequest & { readonly drop: DropRule };

export class AlertResultList {
  readonly #rule: DropResultRule;
  readonly #afterMs: number;
  /** End of the window, ms → what is dropping. */
  readonly #found = new Map<number, AlertResult[]>();
  /** Whether detectors have gone on. */
  isBegun = false;

  /** @param afterMs windows that end by then are left out */
  constructor(rule: DropResultRule, afterMs: number) {
    this.#rule = rule;
    this.#afterMs = afterMs;
  }

  /** Every window that ends within (fromMs, toMs] has been judged, also where there is no series. */
  closeUntil(fromMs: number, toMs: number): void {
    const { window_ms: windowMs } = this.#rule.drop;
    const first = Math.max(fromMs, Math.floor(this.#afterMs / windowMs) * windowMs) + windowMs;
    for (let endMs = first; endMs <= toMs; endMs += windowMs)
      if (!this.#found.has(endMs)) this.#found.set(endMs, []);
  }

  add(labels: Readonly<Record<string, string>>, verdict: DropVerdict, clock: WeekClock): void {
    const endMs = verdict.startMs + clock.windowMs;
    if (endMs <= this.#afterMs) return;
    const found = this.#found.get(endMs) ?? [];
    this.#found.set(endMs, found);
    if (!verdict.isDropping) return;
    const evidence = dropEvidence(verdict, clock);
    const facts = new Map<string, string>([
      ["value", String(verdict.count)],
      ["evidence", evidence],
      ["expected", String(Math.round(verdict.expected * 10) / 10)],
      ["baseline", verdict.baseline],
      ["window_start", new Date(verdict.startMs).toISOString()],
      ["window_end", new Date(endMs).toISOString()],
      ...Object.entries(labels),
    ]);
    const own = Object.entries(labels).map(([name, text]) => [name, cut(text, LABEL_LENGTH_MAX)]);
    found.push({
      labels: Object.fromEntries(own),
      annotations: { evidence, ...filledTexts(this.#rule.annotations, facts) },
      value: verdict.count,
    });
  }

  /** In order of the windows' ends. */
  *windows(): Generator<{ readonly endMs: number; readonly results: readonly AlertResult[] }> {
    for (const endMs of [...this.#found.keys()].sort((a, b) => a - b))
      yield { endMs, results: this.#found.get(endMs)! };
  }
}

/** @throws rule.refused where annotations name what there is not */
export function checkDropTexts({ drop, annotations }: DropResultRule): void {
  filledTexts(annotations, new Map([...DROP_FACTS, ...drop.labels].map((name) => [name, ""])));
}
