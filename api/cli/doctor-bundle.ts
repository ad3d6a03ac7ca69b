/**
 * `muara doctor --bundle FILE`: one zip with what somebody needs who helps from afar. Every text goes through the same
 * redaction before it is packed; what could not be had says why instead.
 */
import { readdir, readFile, stat, statfs, writeFile } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import type { Session } from "./command.ts";
import type { Check } from "./doctor-checks.ts";
import { passwordsIn, redactor, secretsOfEnvironment, withoutPaths, withoutSecretKeys } from "./redact.ts";
import { zipOf, type ZipEntry } from "./zip.ts";

const LOG_LINES = 1_000;
const README = `A support bundle of Muara, written by \`muara doctor --bundle\`.

doctor.json    the checks, as \`muara doctor\` prints them
versions.json  Muara, runtime, machine
config.json    every key with its value and where it came from; addresses without paths, no secrets
health.json    parts of the running service
tables.json    tables: versions, rows, files, bytes, freshness (no rows of them)
jobs.json      jobs: states and lags (no SQL)
logs.jsonl     the newest log lines of the process that answered
metrics.txt    OpenMetrics
disk.json      room, and what is in the data folder: names, sizes, modes

Values that are or look like secrets read [redacted]. Names of tables, hosts and jobs are in it: look through it.
`;

export async function writeBundle(
  session: Session,
  file: string,
  checks: readonly Check[],
  config: string | undefined,
): Promise<void> {
  const { io, say } = session;
  const files: ZipEntry[] = [
    { name: "README.txt", text: README },
    { name: "doctor.json", text: pretty(checks) },
    { name: "versions.json", text: pretty(versions(session)) },
    { name: "config.json", text: await had(() => configText(session, config)) },
    { name: "health.json", text: await had(() => textOf(session, "/health/ready", [503])) },
    { name: "tables.json", text: await had(() => tables(session)) },
    { name: "jobs.json", text: await had(() => jobs(session)) },
    { name: "logs.jsonl", text: await had(() => logs(session)) },
    { name: "metrics.txt", text: await had(() => textOf(session, "/metrics")) },
    { name: "disk.json", text: await had(() => disk(session.flags.data)) },
  ];
  const redact = redactor(await knownSecrets(session));
  const entries = files.map(({ name, text }) => ({ name, text: redact(text) }));
  await writeFile(file, zipOf(entries, io.clock.nowMs()), { mode: 0o600 });
  say(`wrote ${file} (${entries.length} files, no secrets); look through it before you send it`);
}

/** The tokens of this machine and session, and what the environment says is secret. */
async function knownSecrets({ client, io, flags }: Session): Promise<readonly string[]> {
  const written = await readFile(path.join(flags.data, "token"), "utf8").catch(() => "");
  const given = await client.token();
  return [
    written,
    given ?? "",
    ...passwordsIn(flags.url),
    ...secretsOfEnvironment(io.environment),
    ...secretsOfEnvironment(process.env),
  ];
}

function versions({ services }: Session): unknown {
  return {
    muara: services.version,
    runtime: "Deno" in globalThis ? "Deno" : "Node",
    versions: process.versions,
    platform: `${process.platform} ${process.arch} ${os.release()}`,
    cpus: os.availableParallelism(),
    memory_bytes: os.totalmem(),
    memory_free_bytes: os.freemem(),
    uptime_s: Math.round(os.uptime()),
    time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  };
}

async function configText({ io }: Session, named: string | undefined): Promise<string> {
  const [{ resolveConfig }, { loadConfigFile }] = await Promise.all([
    import("../../core/config.ts"),
    import("./config-file.ts"),
  ]);
  const { config } = await loadConfigFile(named ?? io.environment["MUARA_CONFIG"], process.cwd());
  const { entries } = resolveConfig({ file: config, environment: io.environment });
  const items = entries.map((entry) => {
    const key = entry.path.join(".");
    return { key, value: withoutSecretKeys(entry.value, key) ?? null, origin: entry.origin };
  });
  return withoutPaths(pretty(items));
}

async function textOf({ client }: Session, route: string, accepted: readonly number[] = []): Promise<string> {
  return (await client.fetch("GET", route, undefined, {}, accepted)).text();
}

type Item = Readonly<Record<string, unknown>>;

async function tables({ client }: Session): Promise<string> {
  return pretty((await client.get<{ items: readonly Item[] }>("/v1/tables")).items);
}

async function jobs({ client }: Session): Promise<string> {
  const { items } = await client.get<{ items: readonly Item[] }>("/v1/jobs");
  return pretty(items.map(({ text: _text, texts: _texts, sql: _sql, ...rest }) => rest));
}

async function logs({ client }: Session): Promise<string> {
  const { items } = await client.get<{ items: readonly Item[] }>(`/v1/logs?limit=${LOG_LINES}`);
  return items.map((line) => `${JSON.stringify(withoutSecretKeys(line))}\n`).join("");
}

async function disk(data: string): Promise<string> {
  const { bavail, blocks, bsize } = await statfs(data).catch(() => statfs("."));
  const names = await readdir(data).catch(() => []);
  const entries = await Promise.all(
    names.map(async (name) => {
      const { mode, size, uid, mtime } = await stat(path.join(data, name));
      return { name, mode: (mode & 0o7777).toString(8), size, uid, changed_at: mtime.toISOString() };
    }),
  );
  const room = { free_bytes: bavail * bsize, all_bytes: blocks * bsize };
  return pretty({ folder: path.resolve(data), ...room, entries });
}

/** What is missing does not keep the rest from being written. */
async function had(text: () => Promise<string>): Promise<string> {
  try {
    return await text();
  } catch (error) {
    return `not had: ${error instanceof Error ? error.message : String(error)}\n`;
  }
}

function pretty(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
