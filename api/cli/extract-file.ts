/**
 * One file of an extract on this machine: fetched from where it broke off, under its own name once its bytes are right.
 * It comes through the server, or from S3 itself by a signed address, which needs nobody's token and is shown none.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, open, rename, rm, stat } from "node:fs/promises";
import path from "node:path";
import type { Session } from "./command.ts";
import { CliFailure, EXIT, exitCodeOfStatus } from "./exit.ts";

/** The same file, from where it broke off. */
const ATTEMPTS_MAX = 5;

export interface KeptFile {
  readonly name: string;
  readonly bytes: number;
  readonly rows: number;
  readonly sha256: string;
}

export interface FileSource {
  readonly url: string;
  /** An address of S3 itself, which is good for a while only. */
  readonly isSigned: boolean;
  /** Such an address anew. */
  readonly renew: () => Promise<string>;
}

/**
 * A file under its own name is whole: it was checked before it got it.
 * @param source undefined for a file known before: it must be there
 * @returns whether it was fetched
 */
export async function ensureFile(
  session: Session,
  file: KeptFile,
  target: string,
  source: FileSource | undefined,
): Promise<boolean> {
  const isThere = (await sizeOf(target)) === file.bytes;
  if (isThere && (source === undefined || (await isSame(session, file, target, source)))) return false;
  if (source === undefined)
    throw new CliFailure(
      EXIT.checkFailed,
      `${target} is damaged; delete ${path.dirname(path.dirname(target))}.`,
    );
  await mkdir(path.dirname(target), { recursive: true });
  const part = `${target}.part`;
  let { url } = source;
  let isRenewed = false;
  for (let attempt = 1; ; attempt++) {
    const response = await ask(session, file, { ...source, url }, (await sizeOf(part)) ?? 0);
    if (response.status === 416) await rm(part);
    else if (response.status === 403) {
      if (isRenewed) throw new CliFailure(EXIT.notAllowed, `${new URL(url).origin} refuses a fresh address.`);
      url = await source.renew();
    } else await receive(session, file, response, part);
    isRenewed = response.status === 403;
    const length = (await sizeOf(part)) ?? 0;
    if (length === file.bytes && (await sha256Of(part)) === file.sha256) break;
    if (length >= file.bytes) await rm(part);
    if (attempt === ATTEMPTS_MAX)
      throw new CliFailure(EXIT.checkFailed, `${file.name} does not arrive as published (SHA-256).`);
  }
  await sync(part);
  await rename(part, target);
  return true;
}

/** HEAD: whether the server still means the same bytes. S3 was only asked to sign GET. */
async function isSame(
  session: Session,
  file: KeptFile,
  target: string,
  { url, isSigned }: FileSource,
): Promise<boolean> {
  if (isSigned) return (await sha256Of(target)) === file.sha256;
  const response = await session.client.fetch("HEAD", url);
  return response.headers.get("etag") === `"${file.sha256}"`;
}

/** @returns an answer with the file, or from byte `have` on; or 416; or, of a signed address, 403 */
async function ask(
  session: Session,
  file: KeptFile,
  { url, isSigned }: FileSource,
  have: number,
): Promise<Response> {
  const range = have > 0 ? { range: `bytes=${have}-` } : {};
  // S3's ETag is not the SHA-256; but names never get other content, and the whole is checked.
  if (isSigned) return askStore(session, file, url, range);
  const headers = have > 0 ? { ...range, "if-range": `"${file.sha256}"` } : {};
  return session.client.fetch("GET", url, undefined, headers, [416]);
}

async function askStore(
  { io }: Session,
  file: KeptFile,
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<Response> {
  const { origin } = new URL(url);
  let response: Response;
  try {
    response = await io.fetch(new URL(url), { redirect: "error", signal: io.signal, headers });
  } catch (error) {
    if (io.signal.aborted) throw error;
    throw new CliFailure(
      EXIT.unreachable,
      `cannot reach ${origin}, where the files are.`,
      "Leave --presigned out to fetch them through the server.",
    );
  }
  const { status } = response;
  if (response.ok || status === 403 || status === 416) return response;
  if (status === 404)
    throw new CliFailure(EXIT.failed, `${file.name} is no longer kept; its window has a newer revision.`);
  throw new CliFailure(exitCodeOfStatus(status), `${origin} answered ${status} for ${file.name}.`);
}

async function receive(session: Session, file: KeptFile, response: Response, part: string): Promise<void> {
  const out = await open(part, response.status === 206 ? "a" : "w");
  try {
    for await (const chunk of response.body ?? []) await out.writeFile(chunk);
  } catch (error) {
    const { code, syscall } = error as { code?: string; syscall?: string };
    if (syscall === "write") throw new CliFailure(EXIT.failed, `${part} cannot be written: ${code}.`);
    if (session.io.signal.aborted) throw error;
    session.say(`${file.name} broke off; going on from there`);
  } finally {
    await out.close();
  }
}

async function sizeOf(file: string): Promise<number | undefined> {
  return stat(file).then(
    (found) => found.size,
    () => undefined,
  );
}

/** In hexadecimal digits. */
export async function sha256Of(file: string): Promise<string> {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(file)) hash.update(chunk as Uint8Array);
  return hash.digest("hex");
}

export async function sync(file: string): Promise<void> {
  const handle = await open(file, "r+");
  await handle.sync();
  await handle.close();
}
