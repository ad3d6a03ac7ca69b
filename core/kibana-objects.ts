/**
 * Saved objects for Kibana, made from a table's columns: a data view over the indices of a delivery, a search, some
 * panels and a dashboard of them. Lines of JSON, as Kibana's import takes them (`_import?overwrite=true`); ids follow
 * from the delivery, so that importing again replaces.
 *
 * Panels are aggregation-based visualizations, the form that changes least from version to version. No Kibana is
 * among what this release is tested with.
 */
import type { Column, ColumnType } from "./columns.ts";
import type { SearchTarget } from "./search-target.ts";

/** Panels of texts, and of numbers. */
const PANELS_MAX = 3;
const TERMS = 10;
/** Width of Kibana's grid, columns. */
const GRID = 48;
const PANEL_HEIGHT = 14;
/** Of the envelope: nobody groups by them. */
const PLUMBING = new Set([
  "event_id",
  "event_key",
  "flow_id",
  "log_partition",
  "log_offset",
  "watermark",
  "ingest_time",
  "ingest_date",
  "extra",
]);
const NOTE = "Made by Muara from the table's columns; not tried in a Kibana.";
const SEARCH_SOURCE = "kibanaSavedObjectMeta.searchSourceJSON.index";

export interface KibanaRequest {
  /** Of the delivery. */
  readonly id: string;
  readonly name: string;
  readonly table: string;
  readonly target: SearchTarget;
  readonly columns: readonly Column[];
}

interface SavedObject {
  readonly type: string;
  readonly id: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly references: readonly { readonly type: string; readonly id: string; readonly name: string }[];
}

interface Field {
  readonly path: string;
  readonly kind: ColumnType["kind"];
}

/** NDJSON. */
export function kibanaObjects(request: KibanaRequest): string {
  const { id, name, table, target, columns } = request;
  const fields = columns.flatMap((column) => fieldsOf(column, ""));
  const time = timeField(target, fields);
  const view: SavedObject = {
    type: "index-pattern",
    id: `muara-${id}-view`,
    attributes: {
      title: target.time ? `${target.index}-*` : target.index,
      name: `Muara: ${name}`,
      ...(time === undefined ? {} : { timeFieldName: time }),
    },
    references: [],
  };
  const useful = fields.filter(({ path }) => !PLUMBING.has(path) && path !== time);
  const texts = useful.filter(({ kind }) => kind === "string").slice(0, PANELS_MAX);
  const numbers = useful
    .filter(({ kind }) => kind === "long" || kind === "double" || kind === "decimal")
    .slice(0, PANELS_MAX);
  const panels = [
    ...(time === undefined ? [] : [overTime(request, view, time, undefined)]),
    ...(time === undefined ? [] : numbers.map(({ path }) => overTime(request, view, time, path))),
    ...texts.map(({ path }) => mostFrequent(request, view, path)),
  ];
  const shown = [...texts, ...numbers].map(({ path }) => path);
  const search = searchOf(request, view, time, shown);
  const dashboard = dashboardOf(id, `Muara: ${table}`, panels, search);
  return [view, search, ...panels, dashboard].map((object) => `${JSON.stringify(object)}\n`).join("");
}

/** What documents are searched by: texts and numbers at any depth; of what is only shown nothing. */
function fieldsOf({ name, type }: Column, prefix: string): Field[] {
  const path = `${prefix}${name}`;
  if (type.kind === "struct") return type.fields.flatMap((field) => fieldsOf(field, `${path}.`));
  if (type.kind === "list") return fieldsOf({ name, type: type.element, nullable: true }, prefix);
  return type.kind === "json" || type.kind === "binary" ? [] : [{ path, kind: type.kind }];
}

function timeField({ time }: SearchTarget, fields: readonly Field[]): string | undefined {
  const wanted = time?.column ?? "event_time";
  const times = fields.filter(({ kind }) => kind === "timestamp" || kind === "date");
  return (times.find(({ path }) => path === wanted) ?? times[0])?.path;
}

/** Documents by time; with a number its sum. */
function overTime(
  { id }: KibanaRequest,
  view: SavedObject,
  time: string,
  sum: string | undefined,
): SavedObject {
  const metric =
    sum === undefined
      ? { id: "1", enabled: true, type: "count", schema: "metric", params: {} }
      : { id: "1", enabled: true, type: "sum", schema: "metric", params: { field: sum } };
  const params = { field: time, useNormalizedEsInterval: true, interval: "auto", min_doc_count: 0 };
  const groups = { id: "2", enabled: true, type: "date_histogram", schema: "segment", params };
  const title = sum === undefined ? "Rows over time" : `${sum}, summed up over time`;
  return panelOf(`muara-${id}-time-${sum ?? "rows"}`, title, view, "histogram", [metric, groups]);
}

function mostFrequent({ id }: KibanaRequest, view: SavedObject, field: string): SavedObject {
  const metric = { id: "1", enabled: true, type: "count", schema: "metric", params: {} };
  const params = { field, size: TERMS, order: "desc", orderBy: "1" };
  const groups = { id: "2", enabled: true, type: "terms", schema: "bucket", params };
  return panelOf(`muara-${id}-terms-${field}`, `Most frequent ${field}`, view, "table", [metric, groups]);
}

function panelOf(
  id: string,
  title: string,
  view: SavedObject,
  type: "histogram" | "table",
  aggs: readonly object[],
): SavedObject {
  return {
    type: "visualization",
    id,
    attributes: {
      title,
      description: NOTE,
      uiStateJSON: "{}",
      visState: JSON.stringify({ title, type, params: {}, aggs }),
      kibanaSavedObjectMeta: sourceOf(),
    },
    references: [{ type: view.type, id: view.id, name: SEARCH_SOURCE }],
  };
}

function searchOf(
  { id, table }: KibanaRequest,
  view: SavedObject,
  time: string | undefined,
  columns: readonly string[],
): SavedObject {
  return {
    type: "search",
    id: `muara-${id}-rows`,
    attributes: {
      title: `Rows of ${table}`,
      description: NOTE,
      columns,
      sort: time === undefined ? [] : [[time, "desc"]],
      kibanaSavedObjectMeta: sourceOf(),
    },
    references: [{ type: view.type, id: view.id, name: SEARCH_SOURCE }],
  };
}

/** Two panels in a row, the rows below them. */
function dashboardOf(
  id: string,
  title: string,
  panels: readonly SavedObject[],
  search: SavedObject,
): SavedObject {
  const all = [...panels, search];
  const placed = all.map((panel, i) => {
    const isLast = panel === search;
    const y = Math.floor(i / 2) * PANEL_HEIGHT + (isLast && i % 2 === 1 ? PANEL_HEIGHT : 0);
    const w = isLast ? GRID : GRID / 2;
    const gridData = { x: isLast ? 0 : (i % 2) * (GRID / 2), y, w, h: PANEL_HEIGHT, i: String(i) };
    return {
      type: panel.type,
      panelIndex: String(i),
      panelRefName: `panel_${i}`,
      gridData,
      embeddableConfig: {},
    };
  });
  return {
    type: "dashboard",
    id: `muara-${id}-dashboard`,
    attributes: {
      title,
      description: NOTE,
      timeRestore: false,
      optionsJSON: JSON.stringify({ useMargins: true, hidePanelTitles: false }),
      panelsJSON: JSON.stringify(placed),
      kibanaSavedObjectMeta: {
        searchSourceJSON: JSON.stringify({ query: { query: "", language: "kuery" }, filter: [] }),
      },
    },
    references: all.map((panel, i) => ({ type: panel.type, id: panel.id, name: `${i}:panel_${i}` })),
  };
}

function sourceOf(): { readonly searchSourceJSON: string } {
  const query = { query: "", language: "kuery" };
  return { searchSourceJSON: JSON.stringify({ query, filter: [], indexRefName: SEARCH_SOURCE }) };
}
