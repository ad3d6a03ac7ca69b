/**
 * What a table is made of and what is made of it, one hop: event types, captures, jobs, current states, views,
 * extracts, deliveries, shares, rules and processes. Each is there for whoever may see it on its own page, and for
 * nobody else. Rules of SQL are not: what their text reads is only known when it is judged.
 */
import { isAuthorized, type Principal } from "../core/authorize.ts";
import type { CaptureState } from "../core/capture.ts";
import type { Delivery } from "../core/delivery.ts";
import type { Job } from "../core/job.ts";
import { jobTables } from "../core/job.ts";
import { processTables, type Process } from "../core/process.ts";
import type { Rule } from "../core/rule.ts";
import type { Share } from "../core/share.ts";
import { tableRight } from "../lake/query/part.ts";
import type { CatalogTable } from "../lake/catalog.ts";
import type { ApiPorts } from "./context.ts";
import { mayDeliver } from "./declare-delivery.ts";
import { FeedShelf } from "./extract-feeds.ts";
import { mayRun } from "./job-request.ts";
import { mayRead } from "./rule-states.ts";

export type LineageKind =
  | "table"
  | "event_type"
  | "capture"
  | "job"
  | "view"
  | "extract"
  | "delivery"
  | "share"
  | "rule"
  | "process";

export interface LineageNode {
  readonly kind: LineageKind;
  readonly name: string;
  /** What is said beside the name: the table of a source, the name in a share, where a delivery goes. */
  readonly detail: string | null;
}

export interface Lineage {
  readonly upstream: readonly LineageNode[];
  readonly downstream: readonly LineageNode[];
}

export interface LineageAsk {
  readonly principal: Principal;
  /** Of a table or a view. */
  readonly name: string;
  readonly shares: readonly Share[];
}

export async function lineageOf(ports: ApiPorts, ask: LineageAsk): Promise<Lineage> {
  const { principal, name } = ask;
  const tables = await ports.catalog.list();
  const known = new Map<string, CatalogTable>();
  for (const table of tables) {
    if (table.alias) known.set(table.alias.toLowerCase(), table);
    known.set(table.name.toLowerCase(), table);
  }
  const nameOf = (written: string): string => known.get(written.toLowerCase())?.name ?? written;
  const isVisible = ({ kind, name: of }: LineageNode): boolean => {
    if (kind !== "table") return true;
    const found = known.get(of.toLowerCase());
    return !found || tableRight(principal, found, tables) !== undefined;
  };
  const edges = [
    ...registered(ports, principal, nameOf),
    ...currentStates(tables),
    ...(await views(ports, principal, nameOf)),
    ...extracts(ports, principal, nameOf),
    ...shared(ask.shares),
  ];
  const of = known.get(name.toLowerCase());
  const own: LineageNode[] = of?.kind === "event_type" ? [node("event_type", of.name, "published")] : [];
  const upstream = edges.filter(({ to }) => isSame(to, name)).map(({ from }) => from);
  const downstream = edges.filter(({ from }) => isSame(from, name)).map(({ to }) => to);
  return {
    upstream: distinct([...own, ...upstream].filter(isVisible)),
    downstream: distinct(downstream.filter(isVisible)),
  };
}

interface Edge {
  readonly from: LineageNode;
  readonly to: LineageNode;
}

type NameOf = (written: string) => string;

function node(kind: LineageKind, name: string, detail: string | null = null): LineageNode {
  return { kind, name, detail };
}

/** A table and a view are both asked for by name. */
function isSame({ kind, name }: LineageNode, asked: string): boolean {
  return (kind === "table" || kind === "view") && name.toLowerCase() === asked.toLowerCase();
}

function registered({ registry }: ApiPorts, principal: Principal, nameOf: NameOf): Edge[] {
  const edges: Edge[] = [];
  for (const { value: job } of registry.list<Job>("job")) {
    if (!job || !mayRun(principal, job.output)) continue;
    for (const input of job.inputs)
      edges.push({ from: node("table", nameOf(input)), to: node("job", job.name) });
    for (const output of jobTables(job))
      edges.push({ from: node("job", job.name), to: node("table", output) });
  }
  for (const { value: delivery } of registry.list<Delivery>("delivery")) {
    if (!delivery || !mayDeliver(principal, delivery)) continue;
    const from = node("table", nameOf(delivery.table));
    edges.push({ from, to: node("delivery", delivery.name, targetOf(delivery)) });
    if (delivery.log)
      edges.push({
        from: node("delivery", delivery.name, delivery.table),
        to: node("table", nameOf(delivery.log.event_type)),
      });
  }
  for (const { name, value } of registry.list<CaptureState>("capture-state")) {
    if (!isAuthorized(principal, "read", { kind: "capture", name })) continue;
    for (const [source, { eventType }] of Object.entries(value?.tables ?? {}))
      edges.push({ from: node("capture", name, source), to: node("table", eventType) });
  }
  for (const { value: rule } of registry.list<Rule>("rule"))
    if (rule?.drop && mayRead(principal, rule))
      edges.push({ from: node("table", nameOf(rule.drop.table)), to: node("rule", rule.name) });
  for (const { name, value } of registry.list<Process>("process")) {
    if (!value || !mayRun(principal, `process.${name}`)) continue;
    for (const table of processTables(value.declaration))
      edges.push({ from: node("table", nameOf(table)), to: node("process", name) });
  }
  return edges;
}

function targetOf({ url, kafka, postgres, elasticsearch, log }: Delivery): string | null {
  if (url !== undefined) return new URL(url).origin;
  if (kafka) return `Kafka topic ${kafka.topic}`;
  if (postgres) return `PostgreSQL ${postgres.target}, ${postgres.table}`;
  if (elasticsearch) return "Elasticsearch";
  return log ? `event type ${log.event_type}` : null;
}

function currentStates(tables: readonly CatalogTable[]): Edge[] {
  return tables.flatMap(({ name, captured }) =>
    captured ? [{ from: node("table", captured.name), to: node("table", name, "current state") }] : [],
  );
}

async function views(ports: ApiPorts, principal: Principal, nameOf: NameOf): Promise<Edge[]> {
  const found = await ports.query.views(principal);
  return found.flatMap((view) =>
    view.tables.map((table) => ({ from: node("table", nameOf(table)), to: node("view", view.name) })),
  );
}

function extracts(ports: ApiPorts, principal: Principal, nameOf: NameOf): Edge[] {
  if (!ports.extracts || !ports.store) return [];
  const feeds = new FeedShelf(ports).readable(principal);
  return feeds.flatMap(({ feed }) =>
    (ports.extracts?.tables.get(feed.name) ?? []).map((table) => ({
      from: node("table", nameOf(table)),
      to: node("extract", feed.name),
    })),
  );
}

function shared(shares: readonly Share[]): Edge[] {
  return shares.flatMap((share) =>
    share.tables.map(({ table, schema, name }) => ({
      from: node("table", table),
      to: node("share", share.name, `${schema}.${name}`),
    })),
  );
}

function distinct(nodes: readonly LineageNode[]): readonly LineageNode[] {
  return [...new Map(nodes.map((one) => [`${one.kind}/${one.name}/${one.detail ?? ""}`, one])).values()];
}
