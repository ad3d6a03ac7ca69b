/**
 * Run events of OpenLineage 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json), with the facets of the versions
 * named here. Facets without content are left out.
 */
import type { LineageAssertion, LineageInput, LineageJob, LineageOutput } from "./ports/lineage.ts";

const SPEC = "https://openlineage.io/spec";
const EVENT_SCHEMA = `${SPEC}/2-0-2/OpenLineage.json#/$defs/RunEvent`;

export type LineageEventType = "START" | "COMPLETE" | "FAIL" | "ABORT";

export interface LineageEventParts {
  readonly type: LineageEventType;
  /** ms since 1970 UTC. */
  readonly atMs: number;
  /** UUID; the same for all events of a run. */
  readonly runId: string;
  /** URI of what wrote the event. */
  readonly producer: string;
  /** Of the job. */
  readonly namespace: string;
  readonly job: LineageJob;
  readonly inputs: readonly LineageInput[];
  readonly outputs: readonly LineageOutput[];
  /** Of FAIL. */
  readonly error?: string;
}

type Json = Record<string, unknown>;

/** @returns one JSON object as text, without line breaks */
export function lineageEvent(parts: LineageEventParts): string {
  const { type, atMs, runId, producer, namespace, job, error } = parts;
  const facet = (name: string, version: string, content: Json): Json => ({
    _producer: producer,
    _schemaURL: `${SPEC}/facets/${version}/${name}.json#/$defs/${name}`,
    ...content,
  });
  const failed =
    error === undefined
      ? {}
      : {
          errorMessage: facet("ErrorMessageRunFacet", "1-0-1", {
            message: error,
            programmingLanguage: "TypeScript",
          }),
        };
  const jobType = facet("JobTypeJobFacet", "2-0-4", {
    processingType: job.kind === "EXTRACT" ? "BATCH" : "STREAMING",
    integration: "MUARA",
    jobType: job.kind,
  });
  return JSON.stringify({
    eventTime: new Date(atMs).toISOString(),
    eventType: type,
    producer,
    schemaURL: EVENT_SCHEMA,
    run: { runId, facets: failed },
    job: { namespace, name: job.name, facets: { jobType } },
    inputs: parts.inputs.map((input) => inputOf(input, facet)),
    outputs: parts.outputs.map((output) => outputOf(output, facet)),
  });
}

type Facet = (name: string, version: string, content: Json) => Json;

function versionFacet(version: string | undefined, facet: Facet): Json {
  if (version === undefined) return {};
  return { version: facet("DatasetVersionDatasetFacet", "1-0-1", { datasetVersion: version }) };
}

function inputOf({ of, version, assertions = [] }: LineageInput, facet: Facet): Json {
  const quality = (all: readonly LineageAssertion[]): Json =>
    facet("DataQualityAssertionsDatasetFacet", "1-1-0", { assertions: all });
  return {
    ...of,
    facets: versionFacet(version, facet),
    inputFacets: assertions.length === 0 ? {} : { dataQualityAssertions: quality(assertions) },
  };
}

function outputOf({ of, version, fields, columns, written }: LineageOutput, facet: Facet): Json {
  const facets: Json = { ...versionFacet(version, facet) };
  if (fields) facets["schema"] = facet("SchemaDatasetFacet", "1-2-0", { fields });
  if (columns) {
    const copied = { transformations: [{ type: "DIRECT", subtype: "IDENTITY" }] };
    const entries = Object.entries(columns).map(([column, sources]) => {
      return [column, { inputFields: sources.map((source) => ({ ...source, ...copied })) }] as const;
    });
    const byColumn = Object.fromEntries(entries);
    facets["columnLineage"] = facet("ColumnLineageDatasetFacet", "1-2-0", { fields: byColumn });
  }
  const statistics =
    written &&
    facet("OutputStatisticsOutputDatasetFacet", "1-0-2", {
      rowCount: written.rows,
      size: written.bytes,
      fileCount: written.files,
    });
  return { ...of, facets, outputFacets: statistics ? { outputStatistics: statistics } : {} };
}
