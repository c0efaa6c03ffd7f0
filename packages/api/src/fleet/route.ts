/** What all routes of the fleet's API have in common. */
import { z } from "zod";
import { ErrorBody } from "../agent/errors.ts";
import { NoQuery, type Role } from "./names.ts";

export const Nothing = z.null().meta({ description: "Nothing to say." });

/** `anyone` needs nothing; `node` the certificate it joined with; a role an operator's token. */
export type Caller = "anyone" | "node" | Role;

const ERRORS = {
  400: ErrorBody,
  401: ErrorBody,
  403: ErrorBody,
  404: ErrorBody,
  409: ErrorBody,
  413: ErrorBody,
  415: ErrorBody,
  429: ErrorBody,
  500: ErrorBody,
  503: ErrorBody,
};

export function route<
  const M extends "GET" | "POST" | "PUT" | "PATCH" | "DELETE",
  const S extends object,
  const R extends object,
>(method: M, path: string, allow: Caller, summary: string, schema: S, response: R) {
  const [tag = "fleet"] = path.split("/").slice(2);
  return {
    method,
    url: path,
    config: { allow },
    schema: {
      summary,
      tags: [tag],
      querystring: NoQuery,
      ...schema,
      response: { ...ERRORS, ...response },
    },
  };
}
