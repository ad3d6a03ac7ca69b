/** Secrets from files and from the environment. */
import { open } from "node:fs/promises";
import process from "node:process";
import { MuaraError } from "../../core/errors.ts";
import type { Secret } from "../../core/secret.ts";

const LENGTH_MAX = 65_536;

/** Without white space around it. @throws config.invalid where there is none, or one that is too long */
export async function readSecret(secret: Secret): Promise<string> {
  const name = "file" in secret ? secret.file : secret.env;
  const text = ("file" in secret ? await textOf(secret.file) : (process.env[secret.env] ?? "")).trim();
  if (text !== "" && text.length < LENGTH_MAX) return text;
  const reason = text === "" ? "is missing or empty" : "is too long";
  throw new MuaraError("config.invalid", `the secret ${name} ${reason}`, { details: { secret: name } });
}

async function textOf(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (!file) return "";
  try {
    const { bytesRead, buffer } = await file.read(new Uint8Array(LENGTH_MAX), 0, LENGTH_MAX, 0);
    return new TextDecoder().decode(buffer.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
