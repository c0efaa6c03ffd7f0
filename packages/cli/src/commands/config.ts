/** `evenkeel config`: which settings are in effect, and where each comes from. */
import { formatOf, listingText, type ListingFlags } from "../output/listing.ts";
import { table } from "../render/layout.ts";
import { effectiveSettings, SETTINGS, settingsFiles } from "../settings.ts";

export async function runConfig(flags: ListingFlags): Promise<number> {
  const format = formatOf(flags);
  const found = effectiveSettings(process.env);
  const settings = SETTINGS.map(({ key, variable, meaning }) => {
    const { value, from } = found.get(key) ?? {};
    return { key, variable, meaning, ...(value === undefined ? {} : { value, from }) };
  });
  const files = settingsFiles(process.env);
  const report = () => {
    const rows = settings.map((one) => [
      one.key,
      one.value ?? "-",
      one.from ?? "default",
      one.variable,
      one.meaning,
    ]);
    const lines = table(["SETTING", "VALUE", "FROM", "VARIABLE", "MEANING"], rows);
    return `${lines.join("\n")}\n\nFiles, the last one wins: ${files.join(", ")}\n`;
  };
  const names = settings.map(({ key }) => key);
  process.stdout.write(
    await listingText(format, { data: { files, settings }, names, text: report }),
  );
  return 0;
}
