/** `muara token create|list|revoke`. */
import { duration, type AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { addGrantOptions, grantsOf, type GrantOptions } from "./grants.ts";
import { printObject, printObjects, type Field } from "./output.ts";

const LIST: readonly Field[] = [
  { name: "id" },
  { name: "description" },
  { name: "grants" },
  { name: "roles" },
  { name: "created_at" },
  { name: "expires_at" },
];

interface ShownToken extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly token: string;
}

export const addToken: AddCommand = (program, run) => {
  const token = program.command("token").description("who may do what");
  addGrantOptions(token.command("create"))
    .description("create a token; it is printed once, on stdout")
    .option("--role <name...>", "roles whose grants it has beside its own")
    .option("--description <text>", "what it is for", "created by muara token create")
    .option("--expires <duration>", "e.g. 30d; never unless given")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const options = command.opts<
          GrantOptions & { role?: string[]; description: string; expires?: string }
        >();
        const expiresAt =
          options.expires === undefined
            ? null
            : new Date(io.clock.nowMs() + duration("--expires", options.expires)).toISOString();
        const [grants, roles] = [await grantsOf(options), options.role ?? []];
        if (grants.length === 0 && roles.length === 0)
          throw new CliFailure(
            EXIT.usage,
            "say what the token may do, with --grant or --role.",
            "For example: muara token create --grant read:table:*",
          );
        const created = await client.send<ShownToken>("POST", "/v1/tokens", {
          description: options.description,
          grants,
          roles,
          expires_at: expiresAt,
        });
        if (flags.output !== "table") return printObject(io.stdout, flags.output, created);
        io.stdout.write(`${created.token}\n`);
        say(`token ${created.id}; it is not shown again. Revoke it with: muara token revoke ${created.id}`);
      }),
    );
  token
    .command("list")
    .description("tokens, without their secrets")
    .action(
      run(async ({ client, io, flags }) => {
        const { items } = await client.get<{ items: Record<string, unknown>[] }>("/v1/tokens");
        printObjects(io.stdout, flags.output, LIST, items);
      }),
    );
  token
    .command("revoke")
    .description("revoke a token at once")
    .argument("<id>")
    .action(
      run(async ({ client, say }, command) => {
        const id = command.args[0]!;
        await client.send("DELETE", `/v1/tokens/${encodeURIComponent(id)}`);
        say(`revoked ${id}`);
      }),
    );
};
