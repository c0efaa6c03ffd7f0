/** Pools, and one with the versions of its plan. */
import type { PlanVersion, PoolView } from "@evenkeel/api";
import { Barred } from "../pictures/barred.tsx";
import { ClassTable } from "../pictures/classes.tsx";
import { GuestCpuTable } from "../pictures/guest-cpu.tsx";
import { Lowered, Masked } from "../pictures/numbers.tsx";
import { Section, Table } from "../pictures/parts.tsx";
import { PlanDocument } from "../read/schemas.ts";
import { few, plural, short } from "../view/text.ts";
import type { FleetPage } from "./data.ts";

function selectorText({ selector }: PoolView): string {
  return Object.entries(selector)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}

export function PoolsPage({ pools }: { readonly pools: readonly PoolView[] }) {
  return (
    <>
      <h1>{plural(pools.length, "pool")}</h1>
      <Table
        caption="Pools"
        rows={pools}
        columns={[
          {
            title: "Pool",
            cell: ({ name }) => (
              <a href={`/pools/${encodeURIComponent(name)}`}>{short(name, 60)}</a>
            ),
          },
          { title: "Selects", cell: selectorText },
          { title: "Nodes", cell: ({ nodes }) => nodes.length, numeric: true },
          { title: "Running plan", cell: ({ running }) => running ?? "none" },
          { title: "Applied by", cell: ({ applied }) => plural(applied, "node") },
          { title: "Which", cell: ({ nodes }) => few(nodes) },
        ]}
      />
    </>
  );
}

function differenceText({ difference }: PlanVersion): string {
  const { gained, lost, classesAdded, classesRemoved, contractsAffected } = difference;
  const parts = [
    ...(gained.length === 0 ? [] : [`gains ${few(gained)}`]),
    ...(lost.length === 0 ? [] : [`loses ${few(lost)}`]),
    ...(classesAdded.length === 0 ? [] : [`adds ${few(classesAdded)}`]),
    ...(classesRemoved.length === 0 ? [] : [`removes ${few(classesRemoved)}`]),
    ...(contractsAffected.length === 0
      ? []
      : [`${plural(contractsAffected.length, "contract")} no longer resume everywhere`]),
  ];
  return parts.length === 0 ? "nothing that guests see" : parts.join("; ");
}

function Versions({ plans }: { readonly plans: readonly PlanVersion[] }) {
  return (
    <Table
      caption="Versions of the plan"
      rows={plans}
      columns={[
        { title: "Version", cell: ({ version }) => version, numeric: true },
        { title: "State", cell: ({ state }) => state },
        { title: "Features", cell: ({ features }) => features, numeric: true },
        { title: "Classes", cell: ({ classes }) => few(classes) },
        { title: "Against the running version", cell: differenceText },
        { title: "Created", cell: ({ created }) => created },
        { title: "By", cell: ({ createdBy }) => short(createdBy, 40) },
        { title: "Approved by", cell: ({ approvedBy }) => short(approvedBy ?? "", 40) },
      ]}
    />
  );
}

type Pool = Extract<FleetPage, { readonly page: "pool" }>;

function GuestCpu({ plan, shown }: Pick<Pool, "plan" | "shown">) {
  const parsed = PlanDocument.safeParse(plan);
  if (!parsed.success) return <p>There is no plan yet: evenkeel fleet plan makes one.</p>;
  return (
    <Section id="guest-cpu" title={`Guest CPU of version ${shown ?? "?"}`}>
      <ClassTable plan={parsed.data} />
      <Barred plan={parsed.data} />
      <GuestCpuTable plan={parsed.data} />
      <Lowered plan={parsed.data} />
      <Masked plan={parsed.data} />
    </Section>
  );
}

export function PoolPage({ pool, plans, plan, shown }: Pool) {
  const { name, nodes, running, applied } = pool;
  return (
    <>
      <h1>{short(name, 80)}</h1>
      <p>
        {plural(nodes.length, "node")}, selected by {selectorText(pool)}.{" "}
        {running === null
          ? "No plan is running."
          : `Version ${running} is running; ${applied} of ${nodes.length} apply it.`}
      </p>
      <Section id="versions" title="Versions">
        <Versions plans={plans} />
      </Section>
      <GuestCpu plan={plan} shown={shown} />
    </>
  );
}
