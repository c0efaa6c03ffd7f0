/** Text of strangers: names in profiles, messages of other programs, paths in images. */

/** Controls, marks that turn the direction of text around, and what takes no room on a screen. */
const UNSEEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;

/** What nobody sees as the escape that names it, so that no name looks like another one. */
export function visible(text: string): string {
  return text.replaceAll(
    UNSEEN,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** The beginning and the end of a long name: ids differ in their ends. */
export function short(text: string, room = 64): string {
  const characters = Array.from(text.slice(0, 4096));
  if (characters.length <= room) return text;
  const tail = Math.floor(room / 4);
  const end = Array.from(text.slice(-4 * tail)).slice(-tail);
  return `${characters.slice(0, room - tail - 1).join("")}…${end.join("")}`;
}

/** `1 node`, `2 classes`. */
export function plural(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${noun}${/[sx]$/.test(noun) ? "es" : "s"}`;
}

/** A few names, then how many more there are. */
export function few(names: readonly string[], most = 6): string {
  const shown = names.slice(0, most).map((name) => short(name, 40));
  const more = names.length - shown.length;
  if (more > 0) return `${shown.join(", ")} and ${more} more`;
  const last = shown.pop();
  return shown.length === 0 ? (last ?? "") : `${shown.join(", ")} and ${last}`;
}

/** Data with no text in it longer than a page has room for; names of members are left alone. */
export function bounded<T>(data: T, room = 1000): T {
  const clip = (value: unknown): unknown => {
    if (typeof value === "string") return value.length <= room ? value : short(value, room);
    if (Array.isArray(value)) return value.map(clip);
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, own]) => [key, clip(own)]));
  };
  return clip(data) as T;
}
