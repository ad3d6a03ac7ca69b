/** What the OpenAPI document says of the process itself. */
import { type Json, list, listOf, object, read, reference, text, time } from "./openapi-parts.ts";

export const SYSTEM_SCHEMAS: Json = {
  System: object({
    version: text,
    runtime: text,
    platform: text,
    workers: { ...list(text), description: "What this process does." },
    started_at: time,
    now: time,
  }),
  ConfigEntry: object({
    key: text,
    value: {
      description: "Without secrets: these are never in the configuration, and addresses are shown without.",
    },
    origin: { enum: ["default", "file", "environment", "flag"] },
    variable: { ...text, description: "That would set it." },
    description: text,
  }),
};

export const SYSTEM_PATHS: Json = {
  "/v1/system": {
    get: read("showSystem", "Version, runtime and workers of this process", reference("System")),
  },
  "/v1/config": {
    get: read(
      "listConfig",
      "Each key of the configuration, its value and where it came from",
      listOf("ConfigEntry"),
    ),
  },
};
