/** What else a plan changes: numbers lowered to the common minimum, unknown bits hidden. */
import type { PlanDocument } from "../read/schemas.ts";
import { few, short } from "../view/text.ts";
import { Table } from "./parts.tsx";

export function Lowered({ plan: { levelled } }: { readonly plan: PlanDocument }) {
  if (levelled.length === 0) return null;
  return (
    <>
      <h3>Lowered to the common minimum</h3>
      <Table
        caption="Numbers lowered to the common minimum"
        rows={levelled}
        columns={[
          { title: "Number", cell: ({ title }) => short(title, 80) },
          { title: "Guests see", cell: ({ value }) => value, numeric: true },
          {
            title: "Classes have",
            cell: ({ classes }) =>
              classes.map(({ class: id, value }) => `${short(id, 40)}: ${value}`).join(", "),
          },
          { title: "Address", cell: ({ address }) => <code>{short(address, 64)}</code> },
        ]}
      />
    </>
  );
}

export function Masked({ plan: { masked } }: { readonly plan: PlanDocument }) {
  if (masked.length === 0) return null;
  return (
    <>
      <h3>Hidden because nobody knows what they mean</h3>
      <Table
        caption="Bits of unknown meaning, hidden"
        rows={masked}
        columns={[
          { title: "Bits", cell: ({ address }) => <code>{short(address, 64)}</code> },
          { title: "Shown by", cell: ({ classes }) => few(classes) },
        ]}
      />
    </>
  );
}
