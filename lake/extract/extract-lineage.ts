/**
 * What a version of an extract tells of where its rows come from. It is told once it is published, or could not be
 * made: a pass that finds nothing to publish tells nothing.
 */
import type { Clock } from "../../core/clock.ts";
import type { Lineage, LineageAssertion, LineageInput, LineageRun } from "../../core/ports/lineage.ts";
import type { Manifest, ManifestCheck } from "./manifest.ts";

interface Ports {
  readonly lineage?: Lineage | undefined;
  readonly clock: Clock;
}

export class ExtractLineage {
  readonly #lineage: Lineage | undefined;
  readonly #feed: string;
  readonly #inputs: Readonly<Record<string, number>>;
  readonly #beganMs: number;

  /** @param inputs version of each table */
  constructor({ lineage, clock }: Ports, feed: string, inputs: Readonly<Record<string, number>>) {
    this.#lineage = lineage;
    this.#feed = feed;
    this.#inputs = inputs;
    this.#beganMs = clock.nowMs();
  }

  /** Runs `work`, and tells where it throws. */
  async failing<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      if (this.#lineage) this.#start(this.#lineage).fail(error);
      throw error;
    }
  }

  published(manifest: Manifest | undefined): void {
    const lineage = this.#lineage;
    if (!lineage || !manifest) return;
    const { version, rows, files, schema, quality } = manifest;
    const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
    this.#start(lineage).complete(this.#tables(lineage, quality.map(assertionOf)), [
      {
        of: lineage.extract(this.#feed),
        version: String(version),
        fields: schema.map(({ name, type }) => ({ name, type })),
        written: { rows, bytes, files: files.length },
      },
    ]);
  }

  #start(lineage: Lineage): LineageRun {
    const job = { name: `extract.${this.#feed}`, kind: "EXTRACT" } as const;
    const outputs = [{ of: lineage.extract(this.#feed) }];
    return lineage.start(job, this.#tables(lineage, []), outputs, this.#beganMs);
  }

  #tables(lineage: Lineage, assertions: readonly LineageAssertion[]): readonly LineageInput[] {
    return Object.entries(this.#inputs).map(([table, version]) => {
      return { of: lineage.table(table), version: String(version), assertions };
    });
  }
}

function assertionOf({ partition, check, ok, severity, expected, actual }: ManifestCheck): LineageAssertion {
  return {
    assertion: `${partition}: ${check}`,
    success: ok,
    severity: severity === "warning" ? "warn" : "error",
    expected,
    actual,
  };
}
