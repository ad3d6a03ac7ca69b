/** The sinks of a job beside the lake: deliveries of its table that are declared, paused and removed with it. */
import type { Principal } from "../core/authorize.ts";
import { type Delivery, deliveryRequestSchema } from "../core/delivery.ts";
import { MuaraError } from "../core/errors.ts";
import { type Job, ROW_ID_COLUMN } from "../core/job.ts";
import { jobRefused } from "../lake/job/job-refused.ts";
import type { JobText } from "../lake/job/job-text.ts";
import { JobRefused, refusalOf } from "../lake/job/refusal.ts";
import { mayReadWhole } from "../lake/query/part.ts";
import type { ApiPorts } from "./context.ts";
import { eventTypeAt } from "./event-target.ts";
import { checkDelivery, newDelivery, putDelivery, removeDelivery } from "./declare-delivery.ts";

type Sink = JobText["sinks"][number];

const SLUG_LENGTH_MAX = 40;
const FORMS: Readonly<Record<Exclude<Sink["kind"], "lake">, string>> = {
  postgres: `postgres "target/schema.table", target one of deliver.postgres`,
  elasticsearch: `elasticsearch "target/index", target one of deliver.elasticsearch`,
  kafka: `kafka "target/topic", target one of deliver.kafka`,
  http: `http "https://host/path"`,
  log: `log "event.type", one that is declared and has ids`,
};

/**
 * What the text's further sinks are as deliveries.
 * @throws job.refused with the place in the text, auth.forbidden
 */
export function sinksOf(
  ports: ApiPorts,
  principal: Principal,
  text: JobText,
  source: string,
): readonly Delivery[] {
  const [lake, ...others] = text.sinks;
  const table = lake!.name;
  if (others.length > 0 && !mayReadWhole(principal, table))
    throw new MuaraError(
      "auth.forbidden",
      `${principal.id} may not deliver "${table}": it takes the right to read it.`,
    );
  const made = others.map((sink, i) => {
    const before = others.slice(0, i).filter(({ kind }) => kind === sink.kind).length;
    const name = `${slug(text.name)}-${sink.kind}${before === 0 ? "" : `-${before + 1}`}`;
    try {
      const checked = deliveryRequestSchema.safeParse({
        name,
        table,
        from: "begin",
        ...targetOf(sink, ports),
      });
      if (!checked.success) throw new JobRefused(sink.at, checked.error.issues[0]!.message, formOf(sink));
      checkDelivery(ports, principal, checked.data);
      return newDelivery(checked.data, { by: principal.id, nowMs: ports.clock.nowMs(), job: text.name });
    } catch (error) {
      if (error instanceof JobRefused) throw jobRefused(refusalOf(error, source));
      if (!(error instanceof MuaraError) || error.code !== "request.malformed") throw error;
      throw jobRefused(refusalOf(new JobRefused(sink.at, error.message, formOf(sink)), source));
    }
  });
  const twice = made.findIndex((one, i) => made.findIndex((other) => placeOf(other) === placeOf(one)) < i);
  if (twice < 0) return made;
  throw jobRefused(refusalOf(new JobRefused(others[twice]!.at, "The same sink stands here twice."), source));
}

/** @throws JobRefused */
function targetOf(
  sink: Sink,
  { deliver: targets, registry }: Pick<ApiPorts, "deliver" | "registry">,
): object {
  const { kind, name } = sink;
  const key = [ROW_ID_COLUMN];
  switch (kind) {
    case "http":
      return { url: name };
    case "postgres": {
      const [target, table] = placed(sink, targets?.postgres ?? []);
      return {
        postgres: { target, table: table.includes(".") ? table : `public.${table}`, mode: "append", key },
      };
    }
    case "elasticsearch": {
      const [target, index] = placed(sink, Object.keys(targets?.elasticsearch ?? {}));
      return { elasticsearch: { target, index, key } };
    }
    case "kafka": {
      const [target, topic] = placed(sink, Object.keys(targets?.kafka ?? {}));
      return { kafka: { target, topic } };
    }
    case "log":
      return { log: { event_type: eventTypeAt(registry, name)?.name ?? name } };
    default:
      throw new JobRefused(sink.at, `A job writes one ${kind}, named first.`, null);
  }
}

/** Where the configuration has one target alone, that may be left out. */
function placed({ kind, name, at }: Sink, known: readonly string[]): readonly [string, string] {
  const slash = name.indexOf("/");
  if (slash > 0) return [name.slice(0, slash), name.slice(slash + 1)];
  if (known.length === 1) return [known[0]!, name];
  const why = known.length === 0 ? `deliver.${kind} names no target.` : `It is not said into which ${kind}.`;
  throw new JobRefused(at, why, FORMS[kind as keyof typeof FORMS]);
}

function formOf({ kind }: Sink): string | null {
  return kind === "lake" ? null : FORMS[kind];
}

function slug(name: string): string {
  const plain = name
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, "-")
    .replace(/^[^a-z0-9]+/, "");
  return `job-${plain.slice(0, SLUG_LENGTH_MAX)}`;
}

function placeOf({ url, kafka, postgres, elasticsearch, log }: Delivery): string {
  return JSON.stringify([url, kafka, postgres, elasticsearch, log]);
}

/** Those that there are. */
export function boundDeliveries(
  { registry }: Pick<ApiPorts, "registry">,
  job: string,
): readonly { readonly value: Delivery; readonly revision: number }[] {
  return registry
    .list<Delivery>("delivery")
    .flatMap(({ value, revision }) => (value?.job === job ? [{ value, revision }] : []));
}

/**
 * Makes the deliveries what the text says: those that have their target already go on where they are.
 * @returns those that are new
 * @throws delivery.too_many, declaration.conflict
 */
export async function fitSinks(
  ports: ApiPorts,
  { name, isPaused }: Pick<Job, "name" | "isPaused">,
  wanted: readonly Delivery[],
  by: string,
): Promise<readonly Delivery[]> {
  const { registry } = ports;
  const places = new Set(wanted.map(placeOf));
  const present = boundDeliveries(ports, name);
  for (const one of present)
    if (!places.has(placeOf(one.value)))
      await removeDelivery(registry, registry.get<Delivery>("delivery", one.value.name)!, by);
  const kept = new Map(present.map(({ value }) => [placeOf(value), value]));
  const added = wanted.filter((one) => !kept.has(placeOf(one)));
  for (const one of added) {
    // The number behind a name tells two of a kind apart, and nothing else.
    let named = one.name;
    for (let n = 2; registry.get<Delivery>("delivery", named)?.value?.job === name; n++)
      named = `${one.name.replace(/-\d+$/, "")}-${n}`;
    await putDelivery(ports, { ...one, name: named, isPaused }, by);
  }
  return added;
}

/** @throws declaration.conflict */
export async function pauseSinks(
  ports: Pick<ApiPorts, "registry">,
  job: string,
  isPaused: boolean,
  by: string,
): Promise<void> {
  for (const { value, revision } of boundDeliveries(ports, job))
    if (value.isPaused !== isPaused)
      await ports.registry.put("delivery", value.name, revision, { ...value, isPaused }, by);
}

/** @throws declaration.conflict */
export async function removeSinks(
  { registry }: Pick<ApiPorts, "registry">,
  job: string,
  by: string,
): Promise<void> {
  for (const { value } of boundDeliveries({ registry }, job))
    await removeDelivery(registry, registry.get<Delivery>("delivery", value.name)!, by);
}
