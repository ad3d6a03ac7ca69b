/**
 * Compiles core-as/index.ts to core-as/kernel.wasm. The same sources always give the same bytes, so the
 * module is committed, and `--check` exits with 1 when it is not what the sources give.
 * Plain JavaScript: it runs before anything else and on older Node versions, too.
 */
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { main } from "assemblyscript/asc";

const folder = dirname(fileURLToPath(import.meta.url));
const target = join(folder, "kernel.wasm");

const OPTIONS = [
  "index.ts",
  ["--outFile", "kernel.wasm"],
  ["--runtime", "stub"],
  ["--enable", "simd,bulk-memory"],
  ["--uncheckedBehavior", "always"],
  ["--use", "abort="],
  "-O3",
  "--noAssert",
  "--converge",
  ["--disableWarning", "112"], // v128 in functions that only the kernel itself calls
].flat();

/** @returns {Promise<Uint8Array>} the compiled module */
async function compile() {
  let module = null;
  const { error, stderr } = await main(OPTIONS, {
    readFile: (name, base) => readFile(join(base === "." ? folder : base, name), "utf8").catch(() => null),
    writeFile: (name, contents) => {
      if (name.endsWith(".wasm")) module = contents;
    },
    listFiles: () => [],
  });
  // what the optimiser says when its last round gained nothing
  const talk = stderr.toString().replace(/\n?Last converge was suboptimal\.\n/, "");
  if (error) throw new Error(`${talk}\n${error.message}`);
  if (talk) process.stderr.write(talk);
  if (!module) throw new Error("the compiler wrote no module");
  return module;
}

const module = await compile();
if (process.argv.includes("--check")) {
  const committed = await readFile(target).catch(() => new Uint8Array(0));
  if (Buffer.compare(Buffer.from(module), Buffer.from(committed)) !== 0) {
    process.stderr.write("core-as/kernel.wasm is not what the sources give. Run `npm run kernel`.\n");
    process.exit(1);
  }
} else {
  await writeFile(target, module);
  process.stdout.write(`core-as/kernel.wasm: ${module.length} bytes\n`);
}
