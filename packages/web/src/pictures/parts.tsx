/** Pieces that pictures share. */
import type { ComponentChildren } from "preact";
import type { Verdict } from "@evenkeel/core";
import { short } from "../view/text.ts";
import { MEANINGS, SIGNS, VERDICTS } from "../view/verdicts.ts";

/** A verdict as a sign and a word. */
export function Badge({ verdict }: { readonly verdict: Verdict }) {
  return (
    <span class={`badge ${verdict}`}>
      <span aria-hidden="true">{SIGNS[verdict]}</span> {verdict}
    </span>
  );
}

export function Legend() {
  return (
    <ul class="legend">
      {VERDICTS.map((verdict) => (
        <li key={verdict}>
          <Badge verdict={verdict} /> {MEANINGS[verdict]}
        </li>
      ))}
    </ul>
  );
}

/** An id or a name as written in files. */
export function Name({ text, room }: { readonly text: string; readonly room?: number }) {
  return <code class="name">{short(text, room)}</code>;
}

/** Something wide that scrolls by itself, by keyboard too. */
export function Scroll({
  label,
  children,
}: {
  readonly label: string;
  readonly children: ComponentChildren;
}) {
  return (
    <div class="scroll" role="group" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}

/** The same numbers as a picture, as a table. */
export function Twin({
  title,
  children,
}: {
  readonly title: string;
  readonly children: ComponentChildren;
}) {
  return (
    <details class="twin">
      <summary>{title}</summary>
      {children}
    </details>
  );
}

/** Features as a wrapping list; many are folded. */
export function Features({
  names,
  most = 16,
}: {
  readonly names: readonly string[];
  readonly most?: number;
}) {
  const chips = (some: readonly string[]) =>
    some.map((name) => (
      <li key={name}>
        <Name text={name} room={40} />
      </li>
    ));
  const more = names.slice(most);
  return (
    <>
      <ul class="chips">{chips(names.slice(0, most))}</ul>
      {more.length > 0 && (
        <details class="more">
          <summary>{more.length} more</summary>
          <ul class="chips">{chips(more)}</ul>
        </details>
      )}
    </>
  );
}

/** A part of a page; `id` is what links to it. */
export function Section({
  id,
  title,
  lead,
  children,
}: {
  readonly id: string;
  readonly title: string;
  readonly lead?: ComponentChildren;
  readonly children: ComponentChildren;
}) {
  return (
    <section id={id} aria-labelledby={`${id}-title`}>
      <h2 id={`${id}-title`}>{title}</h2>
      {lead !== undefined && <div class="lead">{lead}</div>}
      {children}
    </section>
  );
}

export interface Column<T> {
  readonly title: string;
  readonly cell: (row: T) => ComponentChildren;
  /** Right-aligned. */
  readonly numeric?: boolean;
}

/** A table with a head; `search` puts a field above it that filters its rows. */
export function Table<T>({
  caption,
  columns,
  rows,
  search,
}: {
  readonly caption: string;
  readonly columns: readonly Column<T>[];
  readonly rows: readonly T[];
  readonly search?: string;
}) {
  return (
    <Scroll label={caption}>
      <table class="rows" data-search={search}>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, numeric }) => (
              <th key={title} scope="col" class={numeric === true ? "number" : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>
              {columns.map(({ title, cell, numeric }) => (
                <td key={title} class={numeric === true ? "number" : undefined}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}
