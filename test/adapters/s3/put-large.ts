/**
 * Writes a large file into a store as compaction does, and prints how much memory that took:
 * `put-large.ts ADDRESS FILE BYTES`, a file that this makes. Answers {"growthBytes"}.
 */
import fs from "node:fs";
import process from "node:process";
import { parseS3Address, s3Credentials } from "../../../adapters/s3/address.ts";
import { createS3ObjectStore } from "../../../adapters/s3/object-store.ts";
import { putLocalFile } from "../../../lake/local-copy.ts";

const BLOCK_BYTES = 1_048_576;
const WARM_BYTES = 20 * BLOCK_BYTES;

const [, , address, file, bytes] = process.argv;
const credentials = s3Credentials(process.env);
const store = createS3ObjectStore({ address: parseS3Address(address!), credentials });

/** Each block is another. */
function make(path: string, length: number): void {
  const handle = fs.openSync(path, "w");
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let at = 0; at < length; at += BLOCK_BYTES) {
    block.fill(`block ${at} `);
    fs.writeSync(handle, block, 0, Math.min(BLOCK_BYTES, length - at));
  }
  fs.closeSync(handle);
}

function residentBytes(field: "VmRSS" | "VmHWM"): number {
  const status = fs.readFileSync("/proc/self/status", "latin1");
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)![1]) * 1_024;
}

// The code, its connections and the first parts' buffers are there before it is measured.
make(`${file!}.warm`, WARM_BYTES);
await putLocalFile(store, "warm", `${file!}.warm`, WARM_BYTES);
make(file!, Number(bytes));
const before = residentBytes("VmRSS");
await putLocalFile(store, "large", file!, Number(bytes));
process.stdout.write(JSON.stringify({ growthBytes: residentBytes("VmHWM") - before }));
process.exit(0);
