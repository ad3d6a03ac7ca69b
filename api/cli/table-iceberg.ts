/** `muara table iceberg`. */
import type { AddCommand } from "./command.ts";
import { printObject } from "./output.ts";

export const addIceberg: AddCommand = (table, run) => {
  table
    .command("iceberg")
    .description("write Iceberg metadata of the newest version beside the table, for readers of Iceberg")
    .argument("<table>")
    .option("--drop", "end the export instead")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const name = command.args[0]!;
        const route = `/v1/tables/${encodeURIComponent(name)}/iceberg`;
        if (command.opts<{ drop?: boolean }>().drop) {
          await client.send("DELETE", route);
          return say(`${name} is no longer exported`);
        }
        const exported = await client.send<Readonly<Record<string, unknown>>>("POST", route);
        printObject(io.stdout, flags.output, exported);
      }),
    );
};
