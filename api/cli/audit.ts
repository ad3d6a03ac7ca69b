/** `muara audit verify`: proves from the lake that no record of the audit log was changed, taken out or put in. */
import { AUDIT_FIELDS, AUDIT_TYPE, AuditChains, type AuditRecord, recordOf } from "../../core/audit.ts";
import { wholeNumber, type AddCommand, type Session } from "./command.ts";
import { CliFailure, EXIT } from "./exit.ts";
import { printObjects, type Field } from "./output.ts";

const HEADS: readonly Field[] = [
  { name: "writer" },
  { name: "sequence", isNumber: true },
  { name: "occurred_at" },
  { name: "hash" },
];
const COLUMNS = ["log_offset", "event_id", ...AUDIT_FIELDS];
const HASH = /^[0-9a-f]{64}$/;

interface Page {
  readonly rows: readonly (readonly unknown[])[];
}

export const addAudit: AddCommand = (program, run) => {
  const audit = program.command("audit").description("who changed what, and who was refused");
  audit
    .command("verify")
    .description("prove the chains of the audit log from the lake; names the first break")
    .option(
      "--head <hash...>",
      "hashes that an earlier run printed; one that is not there any more is a break",
    )
    .option("--page <rows>", "rows asked for at a time", "10000")
    .action(
      run(async (session, command) => {
        const options = command.opts<{ head?: string[]; page: string }>();
        const heads = options.head ?? [];
        const malformed = heads.find((head) => !HASH.test(head));
        if (malformed !== undefined) throw new CliFailure(EXIT.usage, `"${malformed}" is no hash.`);
        const chains = await verify(session, wholeNumber("--page", options.page, 1, 1_000_000));
        const missing = heads.find((head) => !chains.has(head));
        if (missing !== undefined)
          throw new CliFailure(
            EXIT.failed,
            `no record has the hash ${missing} any more: the log was cut off.`,
          );
        printObjects(session.io.stdout, session.flags.output, HEADS, chains.heads.map(headOf));
        session.say(
          `${chains.count} records of ${chains.heads.length} writers hold. ` +
            "Keep the last hash elsewhere and give it to --head next time: only so does a cut-off end show.",
        );
      }),
    );
};

async function verify({ client }: Session, pageRows: number): Promise<AuditChains> {
  const chains = new AuditChains();
  for (let after = -1; ;) {
    // One partition: the order of offsets is the order of the log.
    const sql =
      `SELECT ${COLUMNS.map((name) => `"${name}"`).join(", ")} FROM "${AUDIT_TYPE}" ` +
      `WHERE log_offset > ${after} ORDER BY log_offset LIMIT ${pageRows}`;
    const { rows } = await client.send<Page>("POST", "/v1/sql", { sql, limit: pageRows });
    for (const row of rows) {
      const broken = await chains.take(recordOf(row.slice(2)), String(row[1]));
      if (broken)
        throw new CliFailure(
          EXIT.failed,
          `the chain breaks at ${broken.at} (offset ${String(row[0])}): ${broken.reason}.`,
          `The ${chains.count} records before it hold.`,
        );
    }
    if (rows.length < pageRows) return chains;
    after = Number(rows.at(-1)![0]);
  }
}

function headOf({ writer, sequence, occurred_at, hash }: AuditRecord): Record<string, unknown> {
  return { writer, sequence, occurred_at, hash };
}
