/** notebooks/README.md: the demo's shop, its notebooks, a lake on S3 and a share of somebody's. */
import { dirname } from "node:path";
import { pythonEnvironment } from "../services/python.ts";
import { startS3 } from "../services/versitygw.ts";
import { accepted } from "./given.ts";
import type { Place } from "./place.ts";
import type { PageOptions } from "./run-page.ts";

export async function openNotebooks(place: Place): Promise<() => Promise<unknown>> {
  const { python } = await pythonEnvironment("notebooks");
  const s3 = await startS3();
  const address = await s3.freshAddress();
  place.environment["AWS_ACCESS_KEY_ID"] = s3.credentials.accessKeyId;
  place.environment["AWS_SECRET_ACCESS_KEY"] = s3.credentials.secretAccessKey;
  place.words.set("s3://bucket/lake?region=eu-central-1", address);
  // The same packages, installed before by the tests; a browser's page is executed without the browser.
  place.words.set("python3 -m venv .venv", `ln -sfn ${dirname(dirname(python))} .venv`);
  place.words.set(".venv/bin/pip install --require-hashes -r requirements.txt", "true");
  // By the interpreter: scripts of an environment that was moved name one that is not there any more.
  const execute = ".venv/bin/python -c 'from nbclient.cli import main; main()'";
  place.words.set(".venv/bin/jupyter lab 01_first_look.ipynb", `${execute} 01_first_look.ipynb`);
  return () => s3.stop();
}

export const NOTEBOOKS: PageOptions = {
  isAlone: true,
  before: async (place, block) => {
    if (block.text.startsWith("lake.sql"))
      place.words.set("lake.sql(", 'import muara\nlake = muara.connect("../.muara")\nlake.sql(');
    if (!block.text.includes("finance.share")) return;
    place.words.delete("lake.sql(");
    const tables = { ORDER_CREATED: { as: "shop.orders", history: true } };
    await accepted(place, "POST", "/v1/shares", { name: "finance", tables });
    const path = "notebooks/finance.share";
    await place.run(`npx muara share recipient finance reader --expires 1d --to ${path}`);
    await place.run(
      `serve npx muara start --data ./elsewhere --lake '${place.words.get("s3://bucket/lake?region=eu-central-1")!}'`,
    );
  },
};
