/** Classes of a plan: nodes, model, kernels, template. */
import type { PlanDocument } from "../read/schemas.ts";
import { few, short } from "../view/text.ts";
import { Name, Table } from "./parts.tsx";

export function ClassTable({ plan }: { readonly plan: PlanDocument }) {
  return (
    <Table
      caption="Classes of the plan"
      rows={plan.classes}
      columns={[
        { title: "Class", cell: ({ id }) => <Name text={id} room={48} /> },
        { title: "Model", cell: ({ model }) => short(model ?? "", 40) },
        { title: "F/M/S", cell: ({ signature }) => short(signature ?? "", 24) },
        { title: "Nodes", cell: ({ nodes }) => nodes.length, numeric: true },
        { title: "Gives up", cell: ({ givesUp }) => givesUp?.length ?? "?", numeric: true },
        { title: "Kernels", cell: ({ kernels }) => few(kernels, 4) },
        { title: "Template", cell: ({ template }) => <Name text={template} /> },
        { title: "Which", cell: ({ nodes }) => few(nodes, 6) },
      ]}
    />
  );
}
