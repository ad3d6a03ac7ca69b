/** `muara role set|list|remove`. */
import type { AddCommand } from "./command.ts";
import { addGrantOptions, grantsOf, type GrantOptions } from "./grants.ts";
import { printObjects, type Field } from "./output.ts";

const LIST: readonly Field[] = [
  { name: "name" },
  { name: "description" },
  { name: "grants" },
  { name: "configured" },
];

export const addRole: AddCommand = (program, run) => {
  const role = program.command("role").description("named sets of grants, for tokens");
  addGrantOptions(role.command("set"))
    .description("declare a role or replace its grants; its tokens have them at once")
    .argument("<name>")
    .option("--description <text>", "what it is for", "")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        const options = command.opts<GrantOptions & { description: string }>();
        const grants = await grantsOf(options);
        const { description } = options;
        await client.send("PUT", `/v1/roles/${encodeURIComponent(name)}`, { description, grants });
        say(`role ${name} has ${grants.length} grants`);
      }),
    );
  role
    .command("list")
    .description("roles of the configuration and of this command")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: Record<string, unknown>[] }>("/v1/roles");
        printObjects(io.stdout, flags.output, LIST, items);
      }),
    );
  role
    .command("remove")
    .description("remove a role; its tokens lose its grants at once")
    .argument("<name>")
    .action(
      run(async ({ client, say }, command) => {
        const name = command.args[0]!;
        await client.send("DELETE", `/v1/roles/${encodeURIComponent(name)}`);
        say(`removed ${name}`);
      }),
    );
};
