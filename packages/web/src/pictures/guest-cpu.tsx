/** Features × classes: what guests have, what each class gives up for it, and why. */
import type { PlanDocument } from "../read/schemas.ts";
import { featureRows, type CellState, type FeatureRow } from "../view/guest-cpu.ts";
import { short } from "../view/text.ts";
import { Name, Scroll, Table } from "./parts.tsx";

export const CELL_SIGNS: Readonly<Record<CellState, string>> = {
  kept: "●",
  "given-up": "○",
  lacking: "–",
  set: "▲",
  added: "△",
};

export const CELL_WORDS: Readonly<Record<CellState, string>> = {
  kept: "guests have it",
  "given-up": "given up: this class offers it, guests do not have it",
  lacking: "this class does not offer it",
  set: "set: this class shows the vulnerability bit",
  added: "added: this class would not show it, its guests see it",
};

const KIND_WORDS: Readonly<Record<FeatureRow["kind"], string>> = {
  "given-up": "given up",
  "set-everywhere": "set everywhere",
  kept: "kept",
};

function Cells({ row }: { readonly row: FeatureRow }) {
  return (
    <>
      {row.cells.map((state, i) => (
        <td key={i} class={`feature ${state}`} title={CELL_WORDS[state]}>
          <span aria-hidden="true">{CELL_SIGNS[state]}</span>
          <span class="unseen">{CELL_WORDS[state]}</span>
        </td>
      ))}
    </>
  );
}

function Row({ row }: { readonly row: FeatureRow }) {
  const { name, title, group, address, kind, reason } = row;
  return (
    <tr class={kind}>
      <th scope="row">
        <Name text={name} room={40} /> <span class="title">{short(title, 80)}</span>
      </th>
      <td>{short(group, 40)}</td>
      <td>{KIND_WORDS[kind]}</td>
      <Cells row={row} />
      <td class="reason">{reason}</td>
      <td class="address">
        <code>{short(address, 64)}</code>
      </td>
    </tr>
  );
}

function CellLegend() {
  return (
    <ul class="legend cells">
      {(Object.keys(CELL_SIGNS) as CellState[])
        .filter((state) => state !== "kept")
        .map((state) => (
          <li key={state}>
            <span class={`feature ${state}`} aria-hidden="true">
              {CELL_SIGNS[state]}
            </span>{" "}
            {CELL_WORDS[state]}
          </li>
        ))}
    </ul>
  );
}

function FeatureTable({
  plan: { classes },
  rows,
  caption,
}: {
  readonly plan: PlanDocument;
  readonly rows: readonly FeatureRow[];
  readonly caption: string;
}) {
  return (
    <Scroll label={caption}>
      <table class="rows features">
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Feature</th>
            <th scope="col">Group</th>
            <th scope="col">Guests</th>
            {classes.map(({ id, model }) => (
              <th key={id} scope="col" class="class" title={short(id, 120)}>
                <span>{short(model ?? id, 28)}</span> <code>{short(id, 28)}</code>
              </th>
            ))}
            <th scope="col">Why</th>
            <th scope="col">Address</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <Row key={`${row.kind}${row.name}`} row={row} />
          ))}
        </tbody>
      </table>
    </Scroll>
  );
}

function KeptTable({ rows }: { readonly rows: readonly FeatureRow[] }) {
  return (
    <details class="kept-features">
      <summary>{rows.length} features that guests have, on every class</summary>
      <Table
        caption="Features that guests have"
        rows={rows}
        columns={[
          { title: "Feature", cell: ({ name }) => <Name text={name} room={40} /> },
          { title: "Group", cell: ({ group }) => short(group, 40) },
          { title: "Meaning", cell: ({ title }) => short(title, 80) },
        ]}
      />
    </details>
  );
}

export function GuestCpuTable({ plan }: { readonly plan: PlanDocument }) {
  const rows = featureRows(plan);
  const costly = rows.filter(({ kind }) => kind !== "kept");
  return (
    <figure class="guest-cpu" data-search="Search features, groups, addresses">
      {costly.length === 0 ? (
        <p>Nothing is given up: every class offers the same.</p>
      ) : (
        <>
          <CellLegend />
          <FeatureTable plan={plan} rows={costly} caption="Features given up or set everywhere" />
        </>
      )}
      <KeptTable rows={rows.filter(({ kind }) => kind === "kept")} />
    </figure>
  );
}
