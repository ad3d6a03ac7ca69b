/** `muara token create|list|revoke`. */
import { duration, type AddCommand } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObject, printObjects, type Field } from "./output.ts";

const LIST: readonly Field[] = [
  { name: "id" },
  { name: "description" },
  { name: "grants" },
  { name: "created_at" },
  { name: "expires_at" },
];
const GRANT = /^(read|write|admin):(event_type|table|share|token|system|\*):(.+)$/;

interface ShownToken extends Readonly<Record<string, unknown>> {
  readonly id: string;
  readonly token: string;
}

export const addToken: AddCommand = (program, run) => {
  const token = program.command("token").description("who may do what");
  token
    .command("create")
    .description("create a token; it is printed once, on stdout")
    .requiredOption("--grant <action:kind:name...>", "e.g. read:table:* or write:event_type:ORDER_PLACED")
    .option("--description <text>", "what it is for", "created by muara token create")
    .option("--expires <duration>", "e.g. 30d; never unless given")
    .action(
      run(async ({ client, io, flags, say }, command) => {
        const options = command.opts<{ grant: string[]; description: string; expires?: string }>();
        const expiresAt =
          options.expires === undefined
            ? null
            : new Date(io.clock.nowMs() + duration("--expires", options.expires)).toISOString();
        const created = await client.send<ShownToken>("POST", "/v1/tokens", {
          description: options.description,
          grants: options.grant.map(parseGrant),
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

function parseGrant(text: string): { action: string; kind: string; name: string } {
  const match = GRANT.exec(text);
  if (match) return { action: match[1]!, kind: match[2]!, name: match[3]! };
  throw new CliFailure(
    EXIT.usage,
    `"${text}" is no grant.`,
    "Write action:kind:name, for example read:table:*",
  );
}
