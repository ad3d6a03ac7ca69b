/**
 * A query as a span that lasts until its last row has been read. Its text is no part of it: it holds what people look
 * for.
 */
import { fail, isTracing, type Span, startSpan, within } from "../../core/trace.ts";

/** What is told of a query and of its answer. */
interface Traced {
  readonly principal: { readonly id: string };
  readonly format: string;
}
interface TracedAnswer {
  readonly versions: Readonly<Record<string, number>>;
  readonly body: AsyncIterable<Uint8Array>;
  readonly end: { readonly rows: number; readonly isTruncated: boolean };
}

export async function tracedQuery<Answer extends TracedAnswer>(
  { principal, format }: Traced,
  run: () => Promise<Answer>,
): Promise<Answer> {
  if (!isTracing()) return run();
  const attributes = { "db.system.name": "duckdb", "muara.principal": principal.id, "muara.format": format };
  const span = startSpan("SQL query", { attributes });
  try {
    const answer = await within(span, run);
    span.setAttribute("muara.tables", Object.keys(answer.versions));
    return { ...answer, body: untilEnd(answer, span) };
  } catch (error) {
    fail(span, error);
    span.end();
    throw error;
  }
}

async function* untilEnd({ body, end }: TracedAnswer, span: Span): AsyncGenerator<Uint8Array> {
  try {
    yield* body;
  } catch (error) {
    fail(span, error);
    throw error;
  } finally {
    span.setAttributes({ "db.response.returned_rows": end.rows, "muara.truncated": end.isTruncated });
    span.end();
  }
}
