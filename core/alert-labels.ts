/**
 * Labels of an alert: what it is identified by, as in Prometheus. The fingerprint is the one that Prometheus and
 * Alertmanager compute (FNV-1a, 64 bits, over sorted names and values; prometheus/common, `model/signature.go`), so the
 * same alert has the same one here, there, and after every restart.
 */
import { z } from "zod";

const LABELS_MAX = 64;
const NAME_LENGTH_MAX = 128;
const VALUE_LENGTH_MAX = 1_024;
const ANNOTATION_LENGTH_MAX = 4_096;
const LABEL_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

const FNV_OFFSET = 0xcbf2_9ce4_8422_2325n;
const FNV_PRIME = 0x100_0000_01b3n;
/** Stands behind each name and each value; no UTF-8 text has it. */
const SEPARATOR = 0xff;
const MASK = (1n << 64n) - 1n;

const encoder = new TextEncoder();

export type Labels = Readonly<Record<string, string>>;

export const labelName = z.string().max(NAME_LENGTH_MAX).regex(LABEL_NAME, "a letter or _, then also digits");

const isText = (text: string): boolean => text.isWellFormed();

export const labelsSchema = z
  .record(labelName, z.string().max(VALUE_LENGTH_MAX).refine(isText, "well-formed Unicode"))
  .refine((labels) => Object.keys(labels).length <= LABELS_MAX, `at most ${LABELS_MAX}`);

export const annotationsSchema = z
  .record(labelName, z.string().max(ANNOTATION_LENGTH_MAX).refine(isText, "well-formed Unicode"))
  .refine((annotations) => Object.keys(annotations).length <= LABELS_MAX, `at most ${LABELS_MAX}`);

/** Sorted by name, as Go sorts (by bytes); a label with an empty value is the same as none. */
export function normalLabels(labels: Labels): Labels {
  const names = Object.keys(labels).filter((name) => labels[name] !== "");
  return Object.fromEntries(names.sort().map((name) => [name, labels[name]!]));
}

/** 16 hexadecimal digits. @param labels any order */
export function fingerprintOf(labels: Labels): string {
  let hash = FNV_OFFSET;
  const add = (byte: number): void => void (hash = ((hash ^ BigInt(byte)) * FNV_PRIME) & MASK);
  for (const pair of Object.entries(normalLabels(labels)))
    for (const text of pair) {
      encoder.encode(text).forEach(add);
      add(SEPARATOR);
    }
  return hash.toString(16).padStart(16, "0");
}
