/**
 * ALL_OF and SEQUENCE as table macros: one row for each anchor, released a fixed time behind it, with what came within
 * that time. In a batch they read the relations that they are given, in a job's engine the rows that are kept.
 *
 * What an anchor finds follows from its key and its time alone (and what it needs), so that these stand for it within
 * the macro, and no row has to be numbered.
 */
import { intervalOf, macroName, type MacroUse } from "./macros.ts";
import { LEFT, RIGHT } from "./interval-state.ts";
import type { PatternCall } from "../relation/pattern-call.ts";

/** @param isList of ALL_OF: an anchor needs a list of parts, not a number of them */
export function patternMacro(call: PatternCall, latenessMs: number, isList: boolean, use: MacroUse): string {
  const released = (time: string): string => `${time} + muara_within + ${intervalOf(latenessMs)}`;
  const isFirst = call.macro === "sequence" ? " AND muara_part = list_extract(muara_need, 1)" : "";
  const inBatch = `SELECT * FROM query_table(muara_anchors) WHERE muara_time IS NOT NULL
    AND coalesce(watermark < ${released("muara_time")}, true)${isFirst}`;
  const kept =
    use === "preview"
      ? `SELECT * FROM ${LEFT}`
      : `SELECT * FROM ${LEFT} WHERE ${released("muara_time")} <= getvariable('release_to')`;
  const anchors = use === "batch" ? inBatch : kept;
  const others = call.macro === "sequence" ? "muara_anchors" : "muara_parts";
  const rows = `SELECT muara_key AS muara_k, muara_time AS muara_at, muara_part AS muara_p,
    coalesce(watermark, TIMESTAMPTZ '-infinity') AS muara_before
    FROM ${use === "batch" ? `query_table(${others})` : RIGHT}`;
  const body = call.macro === "sequence" ? sequence(call) : allOf(isList);
  const tables = call.macro === "sequence" ? "muara_anchors" : "muara_anchors, muara_parts";
  const within = `muara_row.muara_k = muara_one.muara_k AND muara_row.muara_at >= muara_one.muara_t
      AND muara_row.muara_at <= muara_one.muara_t + muara_within
      AND muara_row.muara_before < ${released("muara_one.muara_t")}`;
  return `CREATE OR REPLACE TEMP MACRO ${macroName(call.macro, use)}(${tables}, muara_time, muara_key, muara_part,
    muara_need, muara_within) AS TABLE ${body(anchors, rows, within)}`;
}

type Body = (anchors: string, rows: string, within: string) => string;

/** `muara_n` is how many parts are needed. */
function allOf(isList: boolean): Body {
  const needed = isList ? "len(list_distinct(muara_need))" : "muara_need";
  const isNeeded = isList
    ? "list_contains(muara_one.muara_w, muara_row.muara_p)"
    : "muara_row.muara_p IS NOT NULL";
  return (anchors, rows, within) => `
    SELECT muara_anchor.*, coalesce(coalesce(muara_parts_seen, 0) >= ${needed}, false) AS complete,
      CASE WHEN ${needed} <= 0 THEN muara_time WHEN muara_parts_seen >= ${needed}
        THEN list_extract(muara_firsts, ${needed}) END AS completed_at,
      coalesce(muara_parts_seen, 0) AS parts, muara_time + muara_within AS deadline
    FROM (${anchors}) AS muara_anchor LEFT JOIN (
      SELECT muara_k, muara_t, muara_w, count(*) AS muara_parts_seen,
        array_agg(muara_first ORDER BY muara_first) AS muara_firsts
      FROM (SELECT muara_one.muara_k, muara_t, muara_w, muara_p, min(muara_at) AS muara_first
        FROM (SELECT DISTINCT muara_key AS muara_k, muara_time AS muara_t, ${isList ? "muara_need" : "NULL"} AS muara_w
          FROM (${anchors})) AS muara_one
        JOIN (${rows}) AS muara_row ON ${within} AND ${isNeeded}
        GROUP BY ALL)
      GROUP BY ALL) AS muara_found
    ON muara_key = muara_k AND muara_time = muara_t
      AND ${isList ? "muara_need" : "NULL"} IS NOT DISTINCT FROM muara_w`;
}

/** Each step is the earliest row of its kind at or behind the one before. */
function sequence({ steps }: PatternCall): Body {
  return (anchors, rows, within) => {
    let chain = `SELECT DISTINCT muara_key AS muara_k, muara_time AS muara_t, [muara_time] AS muara_times,
      muara_time AS muara_last FROM (${anchors})`;
    for (let step = 2; step <= steps.length; step++)
      chain = `SELECT muara_one.muara_k, muara_t, CASE WHEN min(muara_at) IS NULL THEN muara_times
          ELSE list_append(muara_times, min(muara_at)) END AS muara_times, min(muara_at) AS muara_last
        FROM (${chain}) AS muara_one LEFT JOIN (${rows}) AS muara_row
          ON ${within} AND muara_row.muara_at >= muara_last AND muara_row.muara_p = list_extract(muara_need, ${step})
        GROUP BY muara_one.muara_k, muara_t, muara_times`;
    return `
    SELECT muara_anchor.*, muara_last IS NOT NULL AS complete, muara_last AS completed_at,
      len(coalesce(muara_times, [muara_time])) AS steps, coalesce(muara_times, [muara_time]) AS step_times,
      muara_time + muara_within AS deadline
    FROM (${anchors}) AS muara_anchor LEFT JOIN (${chain}) AS muara_found
      ON muara_key = muara_k AND muara_time = muara_t`;
  };
}
