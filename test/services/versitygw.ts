/**
 * An S3 server for tests: versitygw over a folder, a process per test file, under the git-ignored `.services/`. Or
 * the server that `MUARA_TEST_S3` names (`https://KEY:SECRET@host:port`), where tests get places of their own on S3.
 * versitygw is a real server with real conditional writes; `npm run setup` builds it.
 */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { AwsClient } from "aws4fetch";
import { parseS3Address, type S3Credentials } from "../../adapters/s3/address.ts";
import { createS3ObjectStore, type S3ObjectStore } from "../../adapters/s3/object-store.ts";
import { freePort } from "./free-port.ts";

/** Older ones race: of several conditional writes of one name more than one may win. */
const MODULE = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";
const SERVICES = fileURLToPath(new URL("../../.services", import.meta.url));
const FOLDER = join(SERVICES, "versitygw-1.8.0");
const BINARY = join(FOLDER, "versitygw");
const READY_MS_MAX = 60_000;
const LOOK_MS = 20;
const STARTS_MAX = 3;

export interface S3Server {
  readonly url: string;
  readonly credentials: S3Credentials;
  /** An address that nobody used before, as a configuration has it. */
  freshAddress(prefix?: string): Promise<string>;
  store(address: string, partBytes?: number): S3ObjectStore;
  /** The folder in which the objects below an address are files. @throws where the server is not ours */
  folderOf(address: string): string;
  stop(): Promise<void>;
}

/** Whether the server can be had without building it. */
export function hasVersitygw(): boolean {
  return process.env["MUARA_TEST_S3"] !== undefined || existsSync(BINARY);
}

/** Builds it: a minute or two, once per machine. @throws where Go is missing or cannot fetch modules */
export function installVersitygw(): void {
  const environment = { ...process.env, GOBIN: FOLDER, GOFLAGS: "-buildvcs=false" };
  const { status } = spawnSync("go", ["install", MODULE], { stdio: "inherit", env: environment });
  if (status !== 0) throw new Error(`go install ${MODULE} failed`);
}

/** Starts it on a free port, or takes the one that is named. Stop it in `afterAll`. */
export async function startS3(): Promise<S3Server> {
  const named = process.env["MUARA_TEST_S3"];
  if (named === undefined) return startVersitygw();
  const url = new URL(named);
  const [accessKeyId, secretAccessKey] = [url.username, url.password].map(decodeURIComponent);
  const credentials = { accessKeyId: accessKeyId!, secretAccessKey: secretAccessKey! };
  return serverAt(url.origin, credentials, undefined, async () => undefined);
}

async function startVersitygw(): Promise<S3Server> {
  if (!hasVersitygw()) throw new Error(`${BINARY} is missing: run "npm run setup"`);
  await mkdir(join(SERVICES, "run"), { recursive: true });
  const folder = await mkdtemp(join(SERVICES, "run", "s3-"));
  await Promise.all(["data", "iam"].map((name) => mkdir(join(folder, name))));
  const credentials = { accessKeyId: "muara-test", secretAccessKey: "only for tests on this machine" };
  for (let start = 1; ; start++) {
    const port = await freePort();
    const child = spawn(
      BINARY,
      ["--port", `127.0.0.1:${port}`, "--iam-dir", join(folder, "iam"), "posix", join(folder, "data")],
      {
        stdio: ["ignore", "ignore", "pipe"],
        env: { ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
      },
    );
    let errors = "";
    child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()));
    await writeFile(join(folder, "pid"), String(child.pid));
    const url = `http://127.0.0.1:${port}`;
    if (await answers(url, child))
      return serverAt(url, credentials, join(folder, "data"), () => end(child, folder));
    if (start === STARTS_MAX) throw new Error(`versitygw does not answer on ${url}:\n${errors}`);
  }
}

/** Waits for a real answer, for as long as the process lives. */
async function answers(url: string, child: ChildProcess): Promise<boolean> {
  const endMs = performance.now() + READY_MS_MAX;
  while (child.exitCode === null && child.signalCode === null && performance.now() < endMs) {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) }).catch(() => undefined);
    await response?.arrayBuffer();
    if (response) return true;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
  child.kill("SIGKILL");
  return false;
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  }
  await rm(folder, { recursive: true, force: true });
}

function serverAt(
  url: string,
  credentials: S3Credentials,
  data: string | undefined,
  stop: () => Promise<void>,
): S3Server {
  return {
    folderOf: (address) => {
      if (data === undefined) throw new Error("MUARA_TEST_S3 names a server whose files are elsewhere");
      const place = parseS3Address(address).base.slice(url.length + 1);
      return join(data, place, parseS3Address(address).prefix);
    },
    url,
    credentials,
    stop,
    freshAddress: async (prefix = "") => {
      const name = `muara-${crypto.randomUUID()}`;
      const client = new AwsClient({ ...credentials, service: "s3", region: "us-east-1" });
      const response = await client.fetch(`${url}/${name}`, { method: "PUT" });
      if (response.status !== 200) throw new Error(`S3 refuses: ${response.status} ${await response.text()}`);
      return `s3://${name}${prefix === "" ? "" : `/${prefix}`}?endpoint=${encodeURIComponent(url)}`;
    },
    store: (address, partBytes) =>
      createS3ObjectStore({
        address: parseS3Address(address),
        credentials,
        ...(partBytes === undefined ? {} : { partBytes }),
      }),
  };
}
