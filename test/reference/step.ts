/** One operation of the API as it is shown and executed: a request, and what later ones need of its answer. */
import type { World } from "./world.ts";

export interface Step {
  /** Its operationId. */
  readonly id: string;
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON, or a text that goes as it is. `{{NAME}}` in any text of a step is a value of the world. */
  readonly body?: unknown;
  /** name → place in the answer (`items.0.id`), or `header:NAME`. */
  readonly keep?: Readonly<Record<string, string>>;
  /** Asked again until it holds: what is shown takes a moment to be there. */
  readonly until?: (answer: unknown) => boolean;
  /** It goes on until whoever asks goes away; so long it is listened to, s. */
  readonly seconds?: number;
  /** What an example cannot show in one request: a stream that is open, rows in a database. */
  readonly before?: (world: World) => Promise<void>;
}
