/**
 * Names of streams, tables and extracts by OpenLineage's naming conventions (https://openlineage.io/docs/spec/naming):
 * `kafka://host:port` and the topic; `s3://bucket` and the path; `file` and the absolute path.
 */
import type { LineageName } from "./ports/lineage.ts";
import type { LineagePlaces } from "./lineage-sender.ts";

/** @param log, lake addresses as the configuration has them; of files absolute */
export function lineagePlaces(log: string, lake: string): LineagePlaces {
  return {
    stream: placesAt(log),
    table: placesAt(lake),
    extract: (feed) => placesAt(lake)(`_extracts/${feed}`),
  };
}

function placesAt(address: string): (name: string) => LineageName {
  const [plain = ""] = address.split("?");
  const match = /^(s3|kafka):\/\/([^/]+)(?:\/(.*))?$/.exec(plain);
  if (match?.[1] === "kafka") {
    const [, , hosts = "", prefix = ""] = match;
    const [first = ""] = hosts.split(",");
    return (name) => ({ namespace: `kafka://${first}`, name: `${prefix}${name}` });
  }
  if (match) {
    const [, scheme = "", place = "", path = ""] = match;
    const folder = path.replace(/\/+$/, "");
    return (name) => ({
      namespace: `${scheme}://${place}`,
      name: folder === "" ? name : `${folder}/${name}`,
    });
  }
  const folder = plain.replace(/^file:/, "").replace(/\/+$/, "");
  return (name) => ({ namespace: "file", name: `${folder}/${name}` });
}
