/** `evenkeel report`: one page from results, whole in one file. */
import type { ComponentChildren } from "preact";
import { Drifts } from "../pictures/drift.tsx";
import { GuestCpuTable } from "../pictures/guest-cpu.tsx";
import { HeatMap } from "../pictures/heat-map.tsx";
import { Lab } from "../pictures/lab.tsx";
import { MergeTree } from "../pictures/merge-tree.tsx";
import { Lowered, Masked } from "../pictures/numbers.tsx";
import { Legend, Section } from "../pictures/parts.tsx";
import { Barred } from "../pictures/barred.tsx";
import { ClassTable } from "../pictures/classes.tsx";
import { Reasons, Why } from "../pictures/reasons.tsx";
import { Scan } from "../pictures/scan.tsx";
import { Verified } from "../pictures/verify.tsx";
import type { PlanDocument } from "../read/schemas.ts";
import type { MatrixView } from "../view/matrix.ts";
import type { Joint } from "../view/merge-tree.ts";
import type { PoolPart, ReportPart } from "../view/report.ts";
import { short } from "../view/text.ts";
import { renderPage, type Link } from "./document.tsx";
import { matrixSentence, Sentences, sentencesOf, withPlans } from "./overview.tsx";

export interface ReportProps {
  readonly title: string;
  readonly parts: readonly ReportPart[];
  /** What was read, as the command line named it. */
  readonly sources: readonly string[];
  readonly version: string;
}

interface Built {
  readonly id: string;
  readonly title: string;
  readonly body: ComponentChildren;
}

const NEXT = "evenkeel plan nodes/*.json --out plan/";

function compatibility(maps: readonly { how: string; view: MatrixView }[], id: string): Built {
  const [first, second] = maps;
  const next = second === undefined ? undefined : matrixSentence(second.view, second.how).text;
  return {
    id,
    title: "Compatibility",
    body: (
      <>
        <p>Can a snapshot taken on the row's class resume on the column's?</p>
        <div class="columns">
          {maps.map(({ how, view }, i) => (
            <HeatMap key={how} id={`${id}-map${i + 1}`} title={`${how}:`} view={view} />
          ))}
        </div>
        <Legend />
        {first !== undefined && <Reasons view={first.view} next={next} />}
        {second !== undefined && (
          <Why view={second.view} title={`Why moves fail: ${second.how.toLowerCase()}`} />
        )}
      </>
    ),
  };
}

function Refusals({ refusals }: Pick<PoolPart, "refusals">) {
  if (refusals.length === 0) return null;
  return (
    <ul>
      {refusals.map(({ message, hint }) => (
        <li key={message}>
          No plan: {message}. {hint}
        </li>
      ))}
    </ul>
  );
}

function poolSection(
  id: string,
  classes: readonly string[],
  tree: readonly Joint[],
  more?: ComponentChildren,
): Built {
  return {
    id,
    title: "Pool",
    body: (
      <>
        {more}
        {tree.length === 0 ? (
          <p>One class: nothing to merge.</p>
        ) : (
          <MergeTree classes={classes} tree={tree} />
        )}
      </>
    ),
  };
}

function guestSection(plan: PlanDocument, id: string, title = "Guest CPU"): Built {
  const { identity } = plan;
  return {
    id,
    title,
    body: (
      <>
        {identity?.name !== undefined && (
          <p>
            Guests see a {short(identity.name, 60)}: {short(identity.reason ?? "", 200)}.
          </p>
        )}
        <ClassTable plan={plan} />
        <Barred plan={plan} />
        <GuestCpuTable plan={plan} />
        <Lowered plan={plan} />
        <Masked plan={plan} />
        <Warnings plan={plan} />
      </>
    ),
  };
}

function guestSections(plans: readonly PlanDocument[], id: string): Built[] {
  const [only, second] = plans;
  if (only !== undefined && second === undefined) return [guestSection(only, `${id}guest-cpu`)];
  return plans.map((plan, i) =>
    guestSection(plan, `${id}guest-cpu-${i + 1}`, `Guest CPU of pool ${i + 1}`),
  );
}

function Warnings({ plan: { warnings } }: { readonly plan: PlanDocument }) {
  if (warnings.length === 0) return null;
  return (
    <>
      <h3>Warnings</h3>
      <ul>
        {warnings.map((warning) => (
          <li key={warning}>{warning}</li>
        ))}
      </ul>
    </>
  );
}

function poolParts(part: PoolPart, id: string): Built[] {
  const { before, after, plans, tree, refusals } = part;
  const maps = [
    ...(before === undefined ? [] : [{ how: "Without a template", view: before }]),
    ...(after === undefined ? [] : [{ how: withPlans(plans), view: after }]),
  ];
  const classes = (before ?? after)?.classes.map(({ label }) => label) ?? [];
  return [
    ...(maps.length === 0 ? [] : [compatibility(maps, `${id}compatibility`)]),
    ...(tree.length === 0 && refusals.length === 0
      ? []
      : [
          poolSection(
            `${id}pool`,
            tree.length === 0 ? classes : [],
            tree,
            <Refusals refusals={refusals} />,
          ),
        ]),
    ...guestSections(plans, id),
  ];
}

type Build<K extends ReportPart["kind"]> = (
  part: Extract<ReportPart, { readonly kind: K }>,
  id: string,
) => Built[];

const BUILDERS: { readonly [K in ReportPart["kind"]]: Build<K> } = {
  pool: poolParts,
  matrix: (part, id) => [compatibility([part], `${id}compatibility`)],
  plan: ({ data }, id) => guestSections([data], id),
  pools: ({ data: { pools, tree } }, id) => [
    poolSection(
      `${id}pool`,
      pools.flatMap(({ classes }) => classes.map((one) => one.id)),
      tree,
    ),
    ...guestSections(pools, id),
  ],
  lab: ({ data }, id) => [{ id: `${id}lab`, title: "Lab", body: <Lab lab={data} /> }],
  drift: ({ data }, id) => [{ id: `${id}drift`, title: "Drift", body: <Drifts drifts={[data]} /> }],
  verify: ({ data }, id) => [
    { id: `${id}verify`, title: "Verified", body: <Verified verified={data} /> },
  ],
  scan: ({ data }, id) => [{ id: `${id}scan`, title: "Scan", body: <Scan scan={data} /> }],
};

function needsPlan(parts: readonly ReportPart[]): boolean {
  return parts.some(
    (part) => part.kind === "matrix" && part.view.moves.some((m) => m.verdict !== "compatible"),
  );
}

/** The report as one HTML file that loads nothing. */
export function renderReport({ title, parts, sources, version }: ReportProps): string {
  const built = parts.flatMap((part, i) =>
    BUILDERS[part.kind](part as never, i === 0 ? "" : `p${i + 1}-`),
  );
  const nav: Link[] = [
    { href: "#overview", text: "Overview" },
    ...built.map(({ id, title: text }) => ({ href: `#${id}`, text })),
  ];
  const body = (
    <>
      <h1>{short(title, 120)}</h1>
      <Section id="overview" title="Overview">
        <Sentences sentences={parts.flatMap(sentencesOf)} />
        {needsPlan(parts) && (
          <>
            <p>One guest CPU for all classes:</p>
            <pre class="command" tabIndex={0}>
              {NEXT}
            </pre>
          </>
        )}
      </Section>
      {built.map(({ id, title: heading, body: content }) => (
        <Section key={id} id={id} title={heading}>
          {content}
        </Section>
      ))}
    </>
  );
  const footer = (
    <p>
      Made by {version} from {sources.map((source) => short(source, 120)).join(", ")}. This file
      loads nothing and sends nothing.
    </p>
  );
  return renderPage({ title: short(title, 120), nav, body, footer, assets: "inline" });
}
