/** Where the templates of a plan go. */
import { formatTemplate } from "../template/format.ts";
import type { CpuTemplate } from "../template/template.ts";

/** One file per class, or a single one where the same template serves all. */
export function nameFiles(ids: readonly string[], templates: readonly CpuTemplate[]): string[] {
  const texts = new Set(templates.map(formatTemplate));
  const shared = ids.length > 1 && texts.size === 1;
  return ids.map((id) => `templates/${shared ? "pool" : id}.json`);
}
