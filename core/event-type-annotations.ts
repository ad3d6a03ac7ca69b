/**
 * Annotations and labels of an event type: which keys and values there may be (Kubernetes' rules, as Nakadi has them),
 * and what those of the data lake mean (zalando/nakadi, `EventTypeAnnotationsValidator`).
 */
import { CAPTURED_ANNOTATION } from "./change.ts";
import { MuaraError } from "./errors.ts";

/** Where an `undefined` event keeps its id and time: JSON pointers in these annotations. */
export const ID_PATH_ANNOTATION = "muara/event-id-path";
export const TIME_PATH_ANNOTATION = "muara/event-time-path";
/** How long rows stay in the lake: `unlimited`, or a number of days, weeks, months or years (`90 days`, `2y`). */
export const LAKE_RETENTION_ANNOTATION = "muara/retention";
/** Whether the lake keeps an export as Iceberg beside the table: `on` or `off`. */
export const ICEBERG_ANNOTATION = "muara/iceberg";
/** How soon after it was accepted an event shall be in the lake: `2 s`, `500 ms`, `5 minutes`. It is only told. */
export const FRESHNESS_ANNOTATION = "muara/freshness";
/** Whether events land in the lake at all: `on` or `off`; they do where nothing is said. */
export const MATERIALISE_ANNOTATION = "datalake.zalando.org/materialize-events";
export const NAKADI_RETENTION_ANNOTATION = "datalake.zalando.org/retention-period";
export const RETENTION_REASON_ANNOTATION = "datalake.zalando.org/retention-period-reason";

const VALUE_LENGTH_MAX = 1_000;
const COUNT_MAX = 200;
const NAME = /^[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const PREFIX = /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/;
const PREFIX_LENGTH_MAX = 253;

type Texts = Readonly<Record<string, string>>;

/** @throws event_type.invalid naming the annotation or label */
export function checkAnnotations(annotations: Texts, labels: Texts): void {
  checkKeys("annotations", annotations);
  checkKeys("labels", labels);
  for (const [key, value] of Object.entries(annotations))
    if (value.length > VALUE_LENGTH_MAX)
      throw invalid(`annotations.${key}`, `has more than ${VALUE_LENGTH_MAX} characters`);
  for (const [key, value] of Object.entries(labels))
    if (value !== "" && !NAME.test(value))
      throw invalid(
        `labels.${key}`,
        "must be at most 63 letters, digits, dots, - or _, with a letter or digit at both ends",
      );
  checkOnOff(annotations, ICEBERG_ANNOTATION);
  checkOnOff(annotations, CAPTURED_ANNOTATION);
  const retention = annotations[LAKE_RETENTION_ANNOTATION];
  if (retention !== undefined && periodMs(retention) === undefined)
    throw invalid(
      `annotations.${LAKE_RETENTION_ANNOTATION}`,
      `"${retention}" is neither unlimited nor a number of days, weeks, months or years`,
    );
  const freshness = annotations[FRESHNESS_ANNOTATION];
  if (freshness !== undefined && durationMs(freshness) === undefined)
    throw invalid(
      `annotations.${FRESHNESS_ANNOTATION}`,
      `"${freshness}" is no number of ms, seconds, minutes, hours or days, like 2 s`,
    );
  checkLakeAnnotations(annotations);
}

function checkKeys(field: string, texts: Texts): void {
  const keys = Object.keys(texts);
  if (keys.length > COUNT_MAX) throw invalid(field, `has more than ${COUNT_MAX} entries`);
  for (const key of keys) {
    const slash = key.indexOf("/");
    const [prefix, name] = slash < 0 ? [undefined, key] : [key.slice(0, slash), key.slice(slash + 1)];
    const hasPrefix = prefix === undefined || (prefix.length <= PREFIX_LENGTH_MAX && PREFIX.test(prefix));
    if (hasPrefix && NAME.test(name)) continue;
    const reason =
      "is no key: at most 63 letters, digits, dots, - or _, with a letter or digit at both ends, " +
      "behind the name of a domain and a slash where it has one";
    throw invalid(`${field}.${key.slice(0, 100)}`, reason);
  }
}

function checkOnOff(annotations: Texts, key: string): void {
  const value = annotations[key];
  if (value !== undefined && value !== "on" && value !== "off")
    throw invalid(`annotations.${key}`, `"${value}" is neither on nor off`);
}

function checkLakeAnnotations(annotations: Texts): void {
  checkOnOff(annotations, MATERIALISE_ANNOTATION);
  const period = annotations[NAKADI_RETENTION_ANNOTATION];
  const isPeriodNeeded = annotations[MATERIALISE_ANNOTATION] === "on";
  if (isPeriodNeeded && period === undefined)
    throw invalid(`annotations.${NAKADI_RETENTION_ANNOTATION}`, "is needed where events are materialised");
  if (period === undefined) return;
  if (!annotations[RETENTION_REASON_ANNOTATION])
    throw invalid(`annotations.${RETENTION_REASON_ANNOTATION}`, "is needed beside a retention period");
  if (!isLakePeriod(period))
    throw invalid(
      `annotations.${NAKADI_RETENTION_ANNOTATION}`,
      `"${period}" is neither unlimited nor 7 to 3650 days, 1 to 521 weeks, 1 to 120 months or 1 to 10 years`,
    );
}

/** Least and most of each unit. */
const LAKE_PERIODS: Readonly<Record<string, readonly [least: number, most: number]>> = {
  d: [7, 3_650],
  w: [1, 521],
  m: [1, 120],
  y: [1, 10],
};

function isLakePeriod(text: string): boolean {
  if (text === "unlimited") return true;
  const match = /^([1-9]\d{0,3})(?:([dwmy])|\s(day|week|month|year)s?)$/.exec(text);
  if (!match) return false;
  const [least, most] = LAKE_PERIODS[(match[2] ?? match[3])![0]!]!;
  return Number(match[1]) >= least && Number(match[1]) <= most;
}

/** Months and years are the longest that there are: nothing goes before its time. */
const PERIOD_DAYS: Readonly<Record<string, number>> = { d: 1, w: 7, m: 31, y: 366 };

/**
 * `unlimited` (Infinity), or a number of days, weeks, months or years, in ms.
 * @returns undefined for what is no period
 */
export function periodMs(text: string): number | undefined {
  if (text.trim().toLowerCase() === "unlimited") return Infinity;
  const match = /^\s*([1-9]\d{0,4})\s*(d|days?|w|weeks?|m|months?|y|years?)\s*$/i.exec(text);
  return match ? Number(match[1]) * PERIOD_DAYS[match[2]![0]!.toLowerCase()]! * 86_400_000 : undefined;
}

const DURATION_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

function durationMs(text: string): number | undefined {
  const match = /^\s*([1-9]\d{0,5})\s*(ms|s|seconds?|min|minutes?|h|hours?|d|days?)\s*$/.exec(text);
  if (!match) return undefined;
  return Number(match[1]) * (match[2] === "ms" ? 1 : DURATION_MS[match[2]![0]!]!);
}

interface Annotated {
  readonly annotations: Texts;
}

/** How soon after it was accepted an event of the type shall be in the lake, ms; undefined where nothing is said. */
export function freshnessTargetMs({ annotations }: Annotated): number | undefined {
  const text = annotations[FRESHNESS_ANNOTATION];
  return text === undefined ? undefined : durationMs(text);
}

/** Whether events of the type land in the lake. */
export function isMaterialised({ annotations }: Annotated): boolean {
  return annotations[MATERIALISE_ANNOTATION] !== "off";
}

/** Whether its events are changes that a capture takes from a database (core/change.ts). */
export function isCaptured({ category, annotations }: Annotated & { readonly category: string }): boolean {
  return category === "data" && annotations[CAPTURED_ANNOTATION] === "on";
}

/** How long rows of the type stay in the lake after they were accepted, ms; Infinity: for ever, the default. */
export function lakeRetentionMs(type: Annotated): number {
  const text = lakeRetention(type);
  return (text === undefined ? undefined : periodMs(text)) ?? Infinity;
}

/** The same as it is declared; undefined where nothing is, or nothing that can be read. */
export function lakeRetention({ annotations }: Annotated): string | undefined {
  const text = annotations[LAKE_RETENTION_ANNOTATION] ?? annotations[NAKADI_RETENTION_ANNOTATION];
  return text !== undefined && periodMs(text) !== undefined ? text.trim() : undefined;
}

function invalid(field: string, reason: string): MuaraError {
  return new MuaraError("event_type.invalid", `${field}: ${reason}`, { details: { field } });
}
