/**
 * DDL and load scripts for a version of a feed. Loading twice is harmless: a partition to be replaced is deleted
 * in the same transaction in which it is loaded, and what a target cannot do inside a transaction goes through a stage
 * table first. Names are quoted, in the case that the target gives unquoted names, so that people need no quotes.
 */
import type { Feed } from "../../core/extract-feed.ts";
import { MuaraError } from "../../core/errors.ts";
import { redshiftManifestName } from "./redshift-manifest.ts";
import type { Manifest, ManifestColumn, ManifestPartition } from "./manifest.ts";
import { partitionName } from "./manifest.ts";
import { targetType, type Target } from "./targets.ts";

/** Snowflake takes so many names in FILES. */
const SNOWFLAKE_FILES_MAX = 1_000;

export interface ScriptOptions {
  readonly target: Target;
  /** The table; schema and database may stand before it. */
  readonly table: string;
  /** Where the files lie for the target: an address, or a stage; the files' names follow it. */
  readonly base: string;
}

/** @throws request.malformed where a name or address could be read as something else */
export function checkScriptOptions({ table, base }: ScriptOptions): void {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}(?:\.[A-Za-z_][A-Za-z0-9_-]{0,127}){0,2}$/.test(table))
    throw new MuaraError("request.malformed", "table is a name, or names joined by dots.", {
      details: { parameter: "table" },
    });
  if (!/^(?:[a-z0-9]+:\/\/|@|\/)[A-Za-z0-9_.~:/@%=+-]{1,900}$/.test(base) || base.includes(".."))
    throw new MuaraError("request.malformed", "base is an address such as gs://bucket/folder, or a stage.", {
      details: { parameter: "base" },
    });
}

/** CREATE TABLE for the rows of a feed. */
export function ddlScript(
  feed: Feed,
  schema: readonly ManifestColumn[],
  { target, table }: ScriptOptions,
): string {
  const columns = schema.map(({ name, type, required }) => {
    const sqlType = targetType(target, type, feed.columns[name]?.length);
    return `  ${nameIn(target, name)} ${sqlType}${required ? " NOT NULL" : ""}`;
  });
  const time = nameIn(target, feed.time);
  const isDate = schema.find(({ name }) => name === feed.time)?.type === "DATE";
  const tails: Readonly<Record<Target, string>> = {
    oracle: "",
    snowflake: `\nCLUSTER BY (${isDate ? time : `TO_DATE(${time})`})`,
    bigquery: `\nPARTITION BY ${isDate ? time : `DATE(${time})`}`,
    redshift: `\nSORTKEY (${time})`,
  };
  return `CREATE TABLE ${tableIn(target, table)} (\n${columns.join(",\n")}\n)${tails[target]};\n`;
}

/** SQL that loads one version. Placeholders for credentials are in angle brackets inside texts. */
export function loadScript(feed: Feed, manifest: Manifest, options: ScriptOptions): string {
  const { version, rows, files } = manifest;
  const title = `-- ${feed.name} version ${version}: ${rows} rows in ${files.length} files\n`;
  return title + LOADERS[options.target](feed, manifest, options);
}

type Loader = (feed: Feed, manifest: Manifest, options: ScriptOptions) => string;

const LOADERS: Readonly<Record<Target, Loader>> = {
  /** COPY joins the transaction. */
  snowflake: (feed, manifest, options) => {
    const table = tableIn("snowflake", options.table);
    const copies: string[] = [];
    for (let at = 0; at < manifest.files.length; at += SNOWFLAKE_FILES_MAX) {
      const listed = manifest.files.slice(at, at + SNOWFLAKE_FILES_MAX).map(({ name }) => text(name));
      copies.push(
        `COPY INTO ${table} FROM ${stageIn(options.base)}\n  FILES = (${listed.join(", ")})\n` +
          `  FILE_FORMAT = (TYPE = PARQUET USE_LOGICAL_TYPE = TRUE)\n` +
          `  MATCH_BY_COLUMN_NAME = CASE_INSENSITIVE ON_ERROR = ABORT_STATEMENT FORCE = TRUE;\n`,
      );
    }
    return `BEGIN TRANSACTION;\n${deletes(feed, manifest, options)}${copies.join("")}COMMIT;\n`;
  },
  /** So does COPY here; the list of files lies beside them. */
  redshift: (feed, manifest, options) => {
    const list = `${options.base}/${feed.name}/${redshiftManifestName(manifest)}`;
    const nested = manifest.schema.some(({ type }) => targetType("redshift", type) === "SUPER");
    const copy =
      manifest.files.length === 0
        ? ""
        : `COPY ${tableIn("redshift", options.table)} (${names("redshift", manifest)})\n  FROM ${text(list)}\n` +
          `  IAM_ROLE '<role>'\n  FORMAT AS PARQUET MANIFEST${nested ? " SERIALIZETOJSON" : ""};\n`;
    return `BEGIN TRANSACTION;\n${deletes(feed, manifest, options)}${copy}COMMIT;\n`;
  },
  /** LOAD DATA is no part of a transaction, so it fills a stage table; the job id makes a repeated call harmless. */
  bigquery: (feed, manifest, options) => {
    const table = tableIn("bigquery", options.table);
    const stage = tableIn("bigquery", `${options.table}_stage`);
    const list = names("bigquery", manifest);
    const uris = manifest.files.map(({ name }) => text(`${options.base}/${name}`)).join(", ");
    const load =
      manifest.files.length === 0
        ? ""
        : `LOAD DATA OVERWRITE ${stage} FROM FILES (format = 'PARQUET', uris = [${uris}]);\n`;
    const insert = load === "" ? "" : `INSERT INTO ${table} (${list}) SELECT ${list} FROM ${stage};\n`;
    return (
      `-- bq query --use_legacy_sql=false --job_id=muara_${feed.name}_${manifest.version} < this file\n` +
      `${load}BEGIN TRANSACTION;\n${deletes(feed, manifest, options)}${insert}COMMIT TRANSACTION;\n`
    );
  },
  /** DDL commits, so the external table comes before the transaction and goes after it. */
  oracle: (feed, manifest, options) => {
    const table = tableIn("oracle", options.table);
    const short = options.table.split(".").at(-1)!;
    const external = nameIn("oracle", `${short.slice(0, 100)}_X${manifest.version}`);
    const columns = manifest.schema
      .map(
        ({ name, type }) =>
          `${nameIn("oracle", name)} ${targetType("oracle", type, feed.columns[name]?.length)}`,
      )
      .join(", ");
    const uris = manifest.files.map(({ name }) => `${options.base}/${name}`).join(",");
    const list = names("oracle", manifest);
    const create =
      `BEGIN\n  DBMS_CLOUD.CREATE_EXTERNAL_TABLE(\n    table_name => ${text(external)},\n` +
      `    credential_name => '<credential>',\n    file_uri_list => ${clobOf(uris)},\n` +
      `    column_list => ${clobOf(columns)},\n` +
      `    format => '{"type":"parquet","schema":"first"}');\nEND;\n/\n`;
    const insert = `INSERT INTO ${table} (${list}) SELECT ${list} FROM ${external};\n`;
    const isEmpty = manifest.files.length === 0;
    return (
      `${isEmpty ? "" : create}${deletes(feed, manifest, options)}${isEmpty ? "" : insert}COMMIT;\n` +
      (isEmpty ? "" : `DROP TABLE ${external};\n`)
    );
  },
};

/** One DELETE for each window that is replaced; of a first revision, too, so that a repeated load changes nothing. */
function deletes(feed: Feed, manifest: Manifest, { target, table }: ScriptOptions): string {
  const type = manifest.schema.find(({ name }) => name === feed.time)!.type;
  const time = nameIn(target, feed.time);
  return manifest.partitions
    .filter(({ action }) => action === "replace")
    .map((partition) => {
      const [from, until] = [partition.from, partition.until].map((at) => instant(target, type, at));
      const where = `${time} >= ${from} AND ${time} < ${until}`;
      return `${note(partition)}DELETE FROM ${tableIn(target, table)} WHERE ${where};\n`;
    })
    .join("");
}

function note(partition: ManifestPartition): string {
  return `-- ${partitionName(partition)} revision ${partition.revision}\n`;
}

function instant(target: Target, type: string, iso: string): string {
  if (type === "DATE") return `DATE '${iso.slice(0, 10)}'`;
  const plain = iso.slice(0, 19).replace("T", " ");
  if (type === "TIMESTAMP") return target === "bigquery" ? `DATETIME '${plain}'` : `TIMESTAMP '${plain}'`;
  if (target === "snowflake") return `'${plain} +00:00'::TIMESTAMP_TZ`;
  if (target === "redshift") return `TIMESTAMPTZ '${plain}+00'`;
  return target === "oracle" ? `TIMESTAMP '${plain} +00:00'` : `TIMESTAMP '${plain}+00'`;
}

function names(target: Target, { schema }: Manifest): string {
  return schema.map(({ name }) => nameIn(target, name)).join(", ");
}

/** Unquoted names are upper case in Oracle and Snowflake, lower case in Redshift, as written in BigQuery. */
function nameIn(target: Target, name: string): string {
  if (target === "bigquery") return `\`${name}\``;
  return `"${target === "redshift" ? name.toLowerCase() : name.toUpperCase()}"`;
}

function tableIn(target: Target, table: string): string {
  if (target === "bigquery") return `\`${table}\``;
  return table
    .split(".")
    .map((part) => nameIn(target, part))
    .join(".");
}

/** `@stage/path` stands bare, an address in quotes. */
function stageIn(base: string): string {
  return base.startsWith("@") ? `${base}/` : text(`${base}/`);
}

function text(value: string): string {
  return `'${value.replaceAll("'", "''")}'`;
}

/** A text of PL/SQL, in parts: a constant has 32,767 bytes at most. */
function clobOf(value: string): string {
  const part = 8_000;
  const parts = Array.from({ length: Math.max(1, Math.ceil(value.length / part)) }, (_, i) =>
    value.slice(i * part, (i + 1) * part),
  );
  return parts.length === 1 ? text(value) : parts.map((one) => `TO_CLOB(${text(one)})`).join(" || ");
}
