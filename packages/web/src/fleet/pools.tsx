/** Pools, and one with the versions of its plan. */
import type { PlanVersion, PoolView } from "@evenkeel/api";
import { Barred } from "../pictures/barred.tsx";
import { ClassTable } from "../pictures/classes.tsx";
import { GuestCpuTable } from "../pictures/guest-cpu.tsx";
import { Lowered, Masked } from "../pictures/numbers.tsx";
import { MergeTree } from "../pictures/merge-tree.tsx";
import { Section, Table } from "../pictures/parts.tsx";
import { PlanDocument } from "../read/schemas.ts";
import { few, plural, short } from "../view/text.ts";
import type { PageOf } from "./data.ts";

function selectorText({ selector }: PoolView): string {
  return few(
    Object.entries(selector).map(([key, value]) => `${key}=${value}`),
    12,
  );
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

type Pool = PageOf<"pool">;

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

/** The cut leaves as many pools as the address says. */
function Tree({ tree, cut, pool }: Pick<Pool, "tree" | "cut" | "pool">) {
  const { classes, refused } = tree;
  const joints = tree.tree.map((joint, i) => ({ ...joint, joined: i < classes.length - cut }));
  const hrefOf = (pools: number) => `/pools/${encodeURIComponent(pool.name)}?pools=${pools}#tree`;
  return (
    <Section id="tree" title="Which classes belong together">
      {refused.map((why) => (
        <p key={why}>{short(why, 400)}</p>
      ))}
      {classes.length === 1 && (
        <p>All nodes are of one class: keeping them together costs nothing.</p>
      )}
      {classes.length > 1 && <MergeTree classes={classes} tree={joints} hrefOf={hrefOf} />}
    </Section>
  );
}

function Rollout({ pool: { name, rollout } }: Pick<Pool, "pool">) {
  if (rollout === null) return null;
  const { version, state, stage, why } = rollout;
  return (
    <p>
      <a href={`/pools/${encodeURIComponent(name)}/rollout`}>
        Rollout of version {version}: {state}
        {state === "done" ? "" : `, wave ${stage}`}
      </a>
      {why !== null && `: ${short(why, 300)}`}
    </p>
  );
}

export function PoolPage({ pool, plans, plan, shown, tree, cut }: Pool) {
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
      <Rollout pool={pool} />
      <Section id="versions" title="Versions">
        <Versions plans={plans} />
      </Section>
      <Tree tree={tree} cut={cut} pool={pool} />
      <GuestCpu plan={plan} shown={shown} />
    </>
  );
}
