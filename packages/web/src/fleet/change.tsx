/** A change is chosen, and what it would do is shown: the numbers of `evenkeel fleet simulate`. */
import type { Simulation } from "@evenkeel/api";
import { Flow } from "../pictures/flow.tsx";
import { Features, Section, Table } from "../pictures/parts.tsx";
import { Sentences, type Sentence } from "../page/overview.tsx";
import { few, plural, short } from "../view/text.ts";
import type { ChangeForm, PageOf } from "./data.ts";
import { SnapshotLink } from "./parts.tsx";

type Data = PageOf<"change">;
/** Snapshots and contracts that are listed. */
const MOST = 200;

function Field({
  name,
  label,
  hint,
  value,
  list,
}: {
  readonly name: keyof ChangeForm;
  readonly label: string;
  readonly hint: string;
  readonly value: string;
  readonly list?: string;
}) {
  return (
    <p>
      <label for={`change-${name}`}>{label}</label>
      <input
        id={`change-${name}`}
        name={name}
        value={short(value, 1000)}
        list={list}
        aria-describedby={`change-${name}-hint`}
        autocomplete="off"
        spellcheck={false}
      />
      <span class="hint" id={`change-${name}-hint`}>
        {hint}
      </span>
    </p>
  );
}

function Form({ form, classes, pools }: Pick<Data, "form" | "classes" | "pools">) {
  return (
    <form class="choose" method="get" action="/change">
      <Field
        name="remove"
        label="Remove"
        hint="Nodes or classes, with commas between."
        value={form.remove}
        list="change-classes"
      />
      <datalist id="change-classes">
        {classes.map((one) => (
          <option key={one.class} value={one.class}>
            {plural(one.nodes, "node")}
          </option>
        ))}
      </datalist>
      <Field
        name="firecracker"
        label="Firecracker everywhere"
        hint="Releases that all nodes then have, such as 1.16.0."
        value={form.firecracker}
      />
      <Field
        name="with"
        label="Add models"
        hint="Of the catalogue, such as sapphire-rapids or sapphire-rapids@6.8."
        value={form.with}
      />
      <p>
        <label for="change-pool">What becomes of the plan of</label>
        <select id="change-pool" name="pool">
          <option value="">no pool</option>
          {pools.map((name) => (
            <option key={name} value={name} selected={name === form.pool}>
              {short(name, 60)}
            </option>
          ))}
        </select>
      </p>
      <p>
        <button type="submit">Simulate</button> <span class="hint">Nothing is changed.</span>
      </p>
    </form>
  );
}

type Listed = Simulation["stranded"];
const namesText = (list: Listed) => few(list.map(({ name }) => name));

function sentencesOf(simulation: Simulation): Sentence[] {
  const { nodesBefore, nodesAfter, count, stranded, unknown, filesLost, waiting, regained } =
    simulation;
  const { alreadyStranded } = simulation;
  const some = (list: Listed, tone: Sentence["tone"], text: string, href: string): Sentence[] =>
    list.length === 0 ? [] : [{ tone, text: `${text}: ${namesText(list)}.`, href }];
  const number = (list: Listed) => plural(list.length, "snapshot");
  return [
    nodesBefore === nodesAfter
      ? { tone: "compatible", text: `${plural(nodesAfter, "node")}, as many as before.` }
      : { tone: "compatible", text: `${plural(nodesBefore, "node")} before, ${nodesAfter} after.` },
    count === 0
      ? { tone: "compatible", text: "The change takes no snapshot." }
      : {
          tone: "incompatible",
          text: `The change takes ${plural(count, "snapshot")}: --strand ${count} lets it.`,
          href: "#stranded",
        },
    ...some(stranded, "incompatible", `${number(stranded)} can then resume nowhere`, "#stranded"),
    ...some(unknown, "unknown", `Of those, ${number(unknown)} by an unknown verdict`, "#stranded"),
    ...some(filesLost, "incompatible", `The only files of ${number(filesLost)} go`, "#files-lost"),
    ...some(
      waiting,
      "insecure",
      `${number(waiting)} can resume only on nodes that get no new work`,
      "#waiting",
    ),
    ...some(regained, "compatible", `${number(regained)} can resume again`, "#regained"),
    ...some(
      alreadyStranded,
      "unknown",
      `${number(alreadyStranded)} can resume nowhere already`,
      "#already-stranded",
    ),
  ];
}

function Snapshots({
  id,
  title,
  list,
}: {
  readonly id: string;
  readonly title: string;
  readonly list: Listed;
}) {
  if (list.length === 0) return null;
  const more = list.length - MOST;
  return (
    <Section id={id} title={title}>
      <ul class="chips">
        {list.slice(0, MOST).map(({ digest, name }) => (
          <li key={digest}>
            <SnapshotLink digest={digest} name={name} />
          </li>
        ))}
      </ul>
      {more > 0 && <p>{plural(more, "more snapshot")}: evenkeel fleet simulate lists them all.</p>}
    </Section>
  );
}

function Contracts({ contracts }: Pick<Simulation, "contracts">) {
  const rows = contracts.slice(0, MOST);
  if (rows.length === 0) return null;
  const more = contracts.length - rows.length;
  return (
    <Section id="contracts" title="Contracts that do not have two classes left">
      <Table
        caption="Contracts that do not have two classes left"
        rows={rows}
        columns={[
          { title: "Contract", cell: ({ contract }) => <code>{contract.slice(0, 12)}</code> },
          { title: "Fate", cell: ({ fate }) => fate },
          { title: "Snapshots", cell: ({ snapshots }) => namesText(snapshots) },
          { title: "Nodes before", cell: ({ before }) => before.compatible, numeric: true },
          { title: "Nodes after", cell: ({ after }) => after.compatible, numeric: true },
          { title: "Open nodes", cell: ({ open }) => open, numeric: true },
          { title: "Last class", cell: ({ lastClass }) => short(lastClass ?? "", 48) },
          {
            title: "What stands against it",
            cell: ({ obstacles }) => (
              <Features names={[...new Set(obstacles.map(({ name }) => name))]} most={6} />
            ),
          },
        ]}
      />
      {more > 0 && <p>{plural(more, "more contract")} are not shown.</p>}
    </Section>
  );
}

function PlanChange({ plan }: { readonly plan: NonNullable<Simulation["plan"]> }) {
  const lists = [
    ["Guests gain", plan.gained],
    ["Guests lose", plan.lost],
    ["Classes added", plan.classesAdded],
    ["Classes removed", plan.classesRemoved],
    ["Firecracker added", plan.firecrackerAdded],
    ["Firecracker removed", plan.firecrackerRemoved],
    ["Nodes without a template", plan.unplanned],
  ] as const;
  const shown = lists.filter(([, names]) => names.length > 0);
  return (
    <Section id="plan" title="The plan">
      {shown.length + plan.refusals.length === 0 && <p>The plan stays as it is.</p>}
      {shown.map(([title, names]) => (
        <div key={title}>
          <h3>{title}</h3>
          <Features names={names} />
        </div>
      ))}
      {plan.refusals.map(({ code, message, hint }) => (
        <p key={code + message}>
          <strong>{short(message, 400)}</strong> {short(hint, 400)}
        </p>
      ))}
    </Section>
  );
}

function Outcome({ simulation }: { readonly simulation: Simulation }) {
  return (
    <>
      <Sentences sentences={sentencesOf(simulation)} />
      <Section id="flow" title="What becomes of contracts">
        <Flow simulation={simulation} />
      </Section>
      <Snapshots id="stranded" title="Stranded" list={simulation.stranded} />
      <Snapshots id="files-lost" title="Files lost" list={simulation.filesLost} />
      <Snapshots id="waiting" title="Waiting" list={simulation.waiting} />
      <Snapshots id="regained" title="Can resume again" list={simulation.regained} />
      <Snapshots id="already-stranded" title="Stranded already" list={simulation.alreadyStranded} />
      <Contracts contracts={simulation.contracts} />
      {simulation.plan !== null && <PlanChange plan={simulation.plan} />}
    </>
  );
}

export function ChangePage({ form, classes, pools, simulation, problem }: Data) {
  const isChosen = Object.values(form).some((text) => text.trim() !== "");
  return (
    <>
      <h1>Change</h1>
      <p>What would become of snapshots if the fleet were changed?</p>
      <Form form={form} classes={classes} pools={pools} />
      {isChosen && (
        <>
          <p class="waiting" role="status">
            Simulating…
          </p>
          <div id="outcome">
            {problem !== undefined && <p role="alert">{short(problem, 1000)}</p>}
            {simulation !== undefined && <Outcome simulation={simulation} />}
          </div>
        </>
      )}
    </>
  );
}
