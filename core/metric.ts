/**
 * What the catalogue says of one metric, and of the labels that tell series of it apart. Names, units and types follow
 * OpenMetrics 1.0: base units (seconds, bytes) as a name's last word, `_total` on samples of counters only.
 */

export interface Metric {
  /** A gauge goes up and down, a counter up only; `info` is 1, and says what it has to say by labels. */
  readonly type: "gauge" | "counter" | "histogram" | "info";
  readonly unit?: "seconds" | "bytes";
  /** One sentence. */
  readonly help: string;
  readonly labels: readonly LabelName[];
  /** Labels that somebody else chooses may be there, too. */
  readonly hasOpenLabels?: true;
  /** Of a histogram: upper bounds, growing; the last, +Inf, is left out. */
  readonly bounds?: readonly number[];
}

/** By name: what it says, and how many values it can have. */
export const LABELS = {
  alertstate: { help: "`pending` or `firing`.", bound: "2" },
  capture: { help: "A capture.", bound: "`capture.captures`" },
  code: { help: "[Code of an error](ERRORS.md).", bound: "codes of that table" },
  delivery: { help: "A delivery.", bound: "`deliver.deliveries`" },
  event_type: { help: "An event type.", bound: "event types" },
  face: {
    help: "`door` (Nakadi's and CloudEvents' addresses), `api`, `sharing`, `operations` (health, metrics) or `pages`.",
    bound: "5",
  },
  job: { help: "A job.", bound: "`jobs.jobs`" },
  kind: {
    help: "Of a collection of garbage: `minor`, `major`, `incremental`, `weak` or `other`.",
    bound: "5",
  },
  outcome: { help: "What came of it.", bound: "few, named in the metric's own line" },
  pull: { help: "A pull.", bound: "pulls of the configuration" },
  reason: { help: "Why a capture needs a person.", bound: "reasons in [Capture](CAPTURE.md)" },
  receiver: { help: "Whom alerts are told.", bound: "receivers of the configuration" },
  rule: { help: "A rule.", bound: "`alerts.rules`" },
  runtime: { help: "`node` or `deno`, and its version.", bound: "1" },
  state: { help: "Of landing: `landing`, `retrying`, `paused`, `waiting` or `stopped`.", bound: "5" },
  status: { help: "Of HTTP, or what a source says of a slot.", bound: "about 20" },
  stream: { help: "A stream of the log: an event type, or one of Muara's own.", bound: "event types + 3" },
  table: { help: "A table.", bound: "tables" },
  task: { help: "A task of upkeep.", bound: "about 10" },
  version: { help: "Of Muara.", bound: "1" },
} as const;

export type LabelName = keyof typeof LABELS;

/** Upper bounds of what takes long or short, seconds. */
export const SECONDS: readonly number[] = [
  0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2.5, 5, 10, 30, 60, 300,
];

const MEBIBYTE = 1_048_576;
/** Upper bounds of memory, bytes. */
export const MEMORY: readonly number[] = [64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192].map(
  (count) => count * MEBIBYTE,
);
