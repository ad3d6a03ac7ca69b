/**
 * Sales by the hour, for the proof of extracts: what was sent is kept here, so what a consumer must have in the end
 * follows without a lake. Each batch has sales of the newest hour and late ones of hours before; the next hour's first
 * sale closes the one before. Some are of a subject that is erased later.
 */
import type { Randomness } from "../../core/clock.ts";

export const TYPE = "proof.sale";
export const FEED = "sales_hourly";
export const HOUR_MS = 3_600_000;
/** In no other text of the proof. */
export const SUBJECT = "subject-8823-to-be-forgotten";
const HOURS_BACK = 300;
/** Late sales are of these many hours before the newest, but for one in each batch, of any. */
const LATE_HOURS = 2;

export interface Sale {
  readonly number: number;
  readonly atMs: number;
  readonly cents: number;
  readonly who: string;
}

export class Sales {
  readonly firstMs: number;
  readonly #random: Randomness;
  readonly #sent: Sale[] = [];
  readonly #hoursMax: number;
  #newest = 0;
  #isSubjectGone = false;

  constructor(random: Randomness, nowMs: number) {
    this.#random = random;
    this.firstMs = (Math.floor(nowMs / HOUR_MS) - HOURS_BACK) * HOUR_MS;
    this.#hoursMax = HOURS_BACK - 2;
  }

  get count(): number {
    return this.#sent.length;
  }

  /** The hours before this time are closed once everything that was sent has landed. ms */
  get closedMs(): number {
    return this.firstMs + this.#newest * HOUR_MS;
  }

  batch(size: number): readonly Sale[] {
    const sales = Array.from({ length: size }, (_, i) => this.#sale(this.#hourOf(i)));
    return this.#keep(sales);
  }

  /** The first sale of the next hour: the subject's, so that each hour has something to forget. */
  advance(): readonly Sale[] {
    if (this.#newest + 1 < this.#hoursMax) this.#newest++;
    const sale = this.#sale(this.#newest);
    return this.#keep([this.#isSubjectGone ? sale : { ...sale, who: SUBJECT }]);
  }

  /** One more of every hour that is closed. */
  late(): readonly Sale[] {
    return this.#keep(Array.from({ length: this.#newest }, (_, hour) => this.#sale(hour)));
  }

  /** From now on nothing is sold to the subject. */
  dropSubject(): void {
    this.#isSubjectGone = true;
  }

  /** Rows before that time, as `ROW` has them, sorted; without the subject's once it has been dropped. */
  rows(untilMs: number): readonly string[] {
    return this.#sent
      .filter(({ atMs, who }) => atMs < untilMs && !(this.#isSubjectGone && who === SUBJECT))
      .map(({ number, atMs, cents, who }) => [idOf(number), atMs, number, amountOf(cents), who].join("|"))
      .sort();
  }

  #hourOf(i: number): number {
    if (i === 0) return Math.floor(this.#random.fraction() * (this.#newest + 1));
    if (this.#random.fraction() < 0.5) return this.#newest;
    return Math.max(0, this.#newest - 1 - Math.floor(this.#random.fraction() * LATE_HOURS));
  }

  #sale(hour: number): Omit<Sale, "number"> {
    const random = this.#random;
    const isSubject = !this.#isSubjectGone && random.fraction() < 0.1;
    return {
      atMs: this.firstMs + hour * HOUR_MS + 60_000 + Math.floor(random.fraction() * (HOUR_MS - 60_000)),
      cents: Math.floor(random.fraction() * 1_000_000),
      who: isSubject ? SUBJECT : `customer ${Math.floor(random.fraction() * 50)}`,
    };
  }

  #keep(sales: readonly Omit<Sale, "number">[]): readonly Sale[] {
    const numbered = sales.map((sale, i) => ({ ...sale, number: this.#sent.length + i }));
    this.#sent.push(...numbered);
    return numbered;
  }
}

/** A row as text, for SQL of DuckDB over whatever holds the feed's columns. */
export const ROW = "concat_ws('|', event_id, epoch_ms(event_time), number, amount, who)";

export function bodyOf(sales: readonly Sale[]): string {
  const events = sales.map(({ number, atMs, cents, who }) => {
    const metadata = { eid: idOf(number), occurred_at: new Date(atMs).toISOString() };
    return `{"metadata":${JSON.stringify(metadata)},"number":${number},"amount":${amountOf(cents)},"who":"${who}"}`;
  });
  return `[${events.join(",")}]`;
}

export function saleType(): Record<string, unknown> {
  const properties = {
    number: { type: "integer" },
    amount: { type: "number", format: "decimal(12,2)" },
    who: { type: "string" },
  };
  return {
    name: TYPE,
    owning_application: "proof",
    category: "business",
    enrichment_strategies: ["metadata_enrichment"],
    schema: { type: "json_schema", schema: JSON.stringify({ type: "object", properties }) },
  };
}

/** Small files, so that a version has several of them. */
export const CONFIG = `export default {
  land: { commitMs: 100 },
  query: { warm: 0 },
  extract: { everyMs: 200, fileBytes: 2_000 },
  extracts: {
    ${FEED}: {
      sql: 'SELECT event_id, event_time, number, amount, who FROM "${TYPE}"',
      window: "hour", time: "event_time", key: ["event_id"],
      totals: ["amount", "number", "distinct event_id"],
      checks: [{ unique: ["event_id"] }],
    },
  },
};
`;

function idOf(number: number): string {
  return `cccccccc-0000-4000-8000-${String(number).padStart(12, "0")}`;
}

function amountOf(cents: number): string {
  return (cents / 100).toFixed(2);
}
