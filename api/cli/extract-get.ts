/**
 * `muara extract get`: brings a folder to the newest version of a feed. It may be killed anywhere and run again.
 *
 * DIR/FEED/day=…/r3-….parquet   files of the windows as they are now; one that is being fetched ends in `.part`
 * DIR/FEED/_manifests/….json    manifests of the versions that are in, each written after its files
 * DIR/FEED/_current.json        the last version, and which files make up each window: written last, by renaming
 *
 * Files that a newer revision is instead of are deleted after that: `DIR/FEED/*\/*.parquet` are the feed's rows.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import type { Client } from "./client.ts";
import type { Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { Progress } from "./progress.ts";
import { ensureFile, sync, type FileSource, type KeptFile } from "./extract-file.ts";

const PAGE = 100;

interface ManifestFile {
  readonly id: string;
  readonly name: string;
  readonly bytes: number;
  readonly rows: number;
  readonly sha256: string;
  readonly url: string;
  readonly url_expires?: string;
}

interface ManifestPartition {
  readonly day?: string;
  readonly hour?: string;
  readonly revision: number;
  readonly action: "replace" | "append";
  readonly files: readonly string[];
}

interface Manifest {
  readonly version: number;
  readonly full: boolean;
  readonly window: "day" | "hour";
  readonly complete_through: string;
  readonly partitions: readonly ManifestPartition[];
  readonly files: readonly ManifestFile[];
  readonly manifest_sha256: string;
}

/** Where a file was said to be, and in which manifest. */
interface Address {
  readonly url: string;
  readonly version: number;
  readonly isFull: boolean;
}
interface Window {
  readonly revision: number;
  readonly files: readonly KeptFile[];
}
interface Current {
  readonly version: number;
  readonly complete_through: string | null;
  readonly windows: Readonly<Record<string, Window>>;
}

/** What a run did; for people and scripts. */
export interface Gotten {
  readonly version: number;
  readonly complete_through: string | null;
  readonly new_versions: number;
  readonly windows: number;
  readonly rows: number;
  readonly files_fetched: number;
  readonly bytes_fetched: number;
}

/** @param isPresigned files come from S3 itself, by signed addresses, instead of through the server */
export async function getExtract(
  session: Session,
  feed: string,
  to: string,
  isPresigned = false,
): Promise<Gotten> {
  const folder = path.join(to, feed);
  await mkdir(path.join(folder, "_manifests"), { recursive: true });
  return new Getter(session, feed, to, folder, isPresigned).run();
}

class Getter {
  readonly #client: Client;
  readonly #session: Session;
  readonly #feed: string;
  readonly #to: string;
  readonly #folder: string;
  readonly #isPresigned: boolean;
  #filesFetched = 0;
  #bytesFetched = 0;

  constructor(session: Session, feed: string, to: string, folder: string, isPresigned: boolean) {
    this.#session = session;
    this.#client = session.client;
    this.#feed = feed;
    this.#to = to;
    this.#folder = folder;
    this.#isPresigned = isPresigned;
  }

  async run(): Promise<Gotten> {
    let current = await this.#read();
    const before = current.version;
    const manifests = await this.#newManifests(current);
    // Of several revisions of a window only the last one is fetched.
    const windows = new Map(Object.entries(current.windows));
    const addresses = new Map<string, Address>();
    for (const manifest of manifests) apply(windows, manifest, addresses);
    const wanted = [...windows.values()].flatMap(({ files }) => files);
    const progress = new Progress(this.#session, "fetched");
    for (const [i, file] of wanted.entries()) {
      await this.#ensure(file, addresses.get(file.name));
      progress.show(`${i + 1} of ${wanted.length} files`);
    }
    progress.end();
    for (const manifest of manifests) await this.#keep(manifest);
    const newest = manifests.at(-1);
    if (newest)
      current = {
        version: newest.version,
        complete_through: newest.complete_through,
        windows: Object.fromEntries(windows),
      };
    if (newest) await replaceFile(path.join(this.#folder, "_current.json"), JSON.stringify(current, null, 1));
    await this.#tidy(current);
    const files = Object.values(current.windows).flatMap((window) => window.files);
    return {
      version: current.version,
      complete_through: current.complete_through,
      new_versions: current.version - before,
      windows: Object.keys(current.windows).length,
      rows: files.reduce((sum, file) => sum + file.rows, 0),
      files_fetched: this.#filesFetched,
      bytes_fetched: this.#bytesFetched,
    };
  }

  async #read(): Promise<Current> {
    const nothing: Current = { version: 0, complete_through: null, windows: {} };
    try {
      return JSON.parse(await readFile(path.join(this.#folder, "_current.json"), "utf8")) as Current;
    } catch (error) {
      if ((error as { code?: string }).code === "ENOENT") return nothing;
      throw error;
    }
  }

  get #route(): string {
    return `/v1/extracts/${encodeURIComponent(this.#feed)}`;
  }

  /** Manifests after the last version, in order; a full one first where those between are gone. */
  async #newManifests({ version }: Current): Promise<readonly Manifest[]> {
    const found: Manifest[] = [];
    let since = version;
    for (;;) {
      const route = `${this.#route}/versions?since=${since}&limit=${PAGE}`;
      const response = await this.#client.fetch("GET", route, undefined, {}, [410]);
      const answer = (await this.#client.json(response)) as {
        items?: { version: number }[];
        next_since?: number | null;
        full_version?: number | null;
      };
      if (response.status === 410) {
        if (answer.full_version == null || found.length > 0)
          throw new CliFailure(
            EXIT.failed,
            "the versions between are no longer kept, and there is no full one.",
          );
        this.#session.say(`starting anew at the full version ${answer.full_version}`);
        const full = await this.#manifest(answer.full_version, true);
        found.push(full);
        since = full.version;
        continue;
      }
      for (const item of answer.items ?? []) found.push(await this.#manifest(item.version, false));
      if (answer.next_since == null) return found;
      since = answer.next_since;
    }
  }

  async #manifest(version: number, isFull: boolean): Promise<Manifest> {
    const query = [...(isFull ? ["full=true"] : []), ...(this.#isPresigned ? ["links=presigned"] : [])];
    const manifest = await this.#client.get<Manifest>(
      `${this.#route}/versions/${version}/manifest${query.length > 0 ? `?${query.join("&")}` : ""}`,
    );
    if (hashOf(manifest) === manifest.manifest_sha256) return manifest;
    throw new CliFailure(EXIT.checkFailed, `the manifest of version ${version} is not what was published.`);
  }

  /** @param address undefined for a file known before */
  async #ensure(file: KeptFile, address: Address | undefined): Promise<void> {
    const target = this.#pathOf(file);
    const source: FileSource | undefined = address && {
      url: address.url,
      isSigned: this.#isPresigned,
      renew: async () => {
        const { files } = await this.#manifest(address.version, address.isFull);
        return files.find(({ name }) => name === file.name)!.url;
      },
    };
    if (!(await ensureFile(this.#session, file, target, source))) return;
    this.#filesFetched++;
    this.#bytesFetched += file.bytes;
  }

  async #keep(manifest: Manifest): Promise<void> {
    const name = `${String(manifest.version).padStart(20, "0")}${manifest.full ? "-full" : ""}.json`;
    await replaceFile(path.join(this.#folder, "_manifests", name), JSON.stringify(manifest, null, 1));
  }

  /** Deletes files that no window has any more. */
  async #tidy({ windows }: Current): Promise<void> {
    const wanted = new Set(
      Object.values(windows).flatMap(({ files }) => files.map((file) => this.#pathOf(file))),
    );
    for (const entry of await readdir(this.#folder, { withFileTypes: true, recursive: true })) {
      const whole = path.join(entry.parentPath, entry.name);
      if (!/\.parquet(?:\.part)?$/.test(entry.name) || wanted.has(whole)) continue;
      await rm(whole);
    }
  }

  /** @throws CliFailure where a name would lead out of the folder */
  #pathOf({ name }: KeptFile): string {
    const parts = name.split("/");
    const isPlain = parts.every((part) => /^[A-Za-z0-9_=-][A-Za-z0-9_.=-]*$/.test(part));
    if (isPlain && parts.length === 3 && parts[0] === this.#feed) return path.join(this.#to, ...parts);
    throw new CliFailure(EXIT.checkFailed, `the manifest names a file "${name}", which is no place for it.`);
  }
}

function apply(windows: Map<string, Window>, manifest: Manifest, addresses: Map<string, Address>): void {
  const { version, full: isFull } = manifest;
  if (isFull) windows.clear();
  const files = new Map(manifest.files.map((file) => [file.id, file]));
  for (const partition of manifest.partitions) {
    const name = partition[manifest.window]!;
    const own = partition.files.map((id) => files.get(id)!);
    for (const { name: file, url } of own) addresses.set(file, { url, version, isFull });
    const kept = own.map(({ name: file, bytes, rows, sha256 }) => ({ name: file, bytes, rows, sha256 }));
    const before = partition.action === "append" ? (windows.get(name)?.files ?? []) : [];
    windows.set(name, { revision: partition.revision, files: [...before, ...kept] });
  }
}

/** As the server says it is made: without itself, and without addresses. */
function hashOf(manifest: Manifest): string {
  const { manifest_sha256: _own, ...rest } = manifest;
  const files = manifest.files.map((file) => {
    const { url: _url, url_expires: _expires, ...bare } = file;
    return bare;
  });
  return createHash("sha256")
    .update(JSON.stringify({ ...rest, files }))
    .digest("hex");
}

async function replaceFile(file: string, text: string): Promise<void> {
  await writeFile(`${file}.tmp`, text);
  await sync(`${file}.tmp`);
  await rename(`${file}.tmp`, file);
}
