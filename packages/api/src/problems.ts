/** What a validator says is wrong with a request, as the APIs answer it. */
import type { ErrorBody } from "./agent/errors.ts";

type Problems = NonNullable<ErrorBody["error"]["problems"]>;

/** `/machine/disks/0/id` as `machine.disks[0].id`. */
function placeOf(pointer: string): string {
  return pointer
    .slice(1)
    .replaceAll(/\/(\d+)/g, "[$1]")
    .replaceAll("/", ".");
}

/** Each problem with its place, and all of them as one message. */
export function problemsOf(
  validation: readonly { readonly instancePath: string; readonly message?: string }[],
): { readonly problems: Problems; readonly message: string } {
  const problems = validation.map(({ instancePath, message = "is wrong" }) => ({
    path: placeOf(instancePath),
    message,
  }));
  const text = problems.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  return { problems, message: text.join("; ") };
}
