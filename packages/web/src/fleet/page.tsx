/** The pages that `evenkeel serve` shows, each rendered whole from what the API answers. */
import type { ComponentChildren } from "preact";
import { renderPage, type Link } from "../page/document.tsx";
import { HeatMap } from "../pictures/heat-map.tsx";
import { Legend, Section } from "../pictures/parts.tsx";
import { Reasons } from "../pictures/reasons.tsx";
import { bounded, plural } from "../view/text.ts";
import { ChangePage } from "./change.tsx";
import type { FleetPage, PageName, PageOf } from "./data.ts";
import { DriftPage } from "./drift.tsx";
import { NodePage, NodesPage } from "./nodes.tsx";
import { OverviewPage } from "./overview.tsx";
import { PoolPage, PoolsPage } from "./pools.tsx";
import { RolloutPage } from "./rollout.tsx";
import { SandboxesPage, SandboxPage } from "./sandboxes.tsx";
import { SnapshotPage, SnapshotsPage } from "./snapshots.tsx";

const hrefOfCell = (cell: string) => `/compatibility?cell=${cell}`;

function CompatibilityPage({ compatibility, cell }: PageOf<"compatibility">) {
  const { hidden, ...view } = compatibility;
  return (
    <>
      <h1>Compatibility</h1>
      {view.moves.length === 0 ? (
        <p>No node has reported a snapshot's contract yet.</p>
      ) : (
        <Section id="contracts" title="Contracts by class">
          <p>
            Can snapshots with the row's contract resume on the column's class? Contracts of one
            class with the same verdicts everywhere are one row.
          </p>
          <HeatMap
            id="map"
            title="Contracts:"
            view={view}
            onePerPage={{ cell, hrefOf: hrefOfCell }}
          />
          {hidden > 0 && <p>{plural(hidden, "more row")} are not shown.</p>}
          <Legend />
          <Reasons view={view} />
        </Section>
      )}
    </>
  );
}

function SignInPage({ to, refused }: PageOf<"sign-in">) {
  return (
    <>
      <h1>Sign in</h1>
      {refused && <p role="alert">That is no operator's token of this fleet.</p>}
      <form method="post" action="/sign-in">
        <input type="hidden" name="to" value={to} />
        <p>
          <label>
            Operator's token{" "}
            <input type="password" name="token" autocomplete="current-password" required />
          </label>{" "}
          <button type="submit">Sign in</button>
        </p>
      </form>
      <p>The server wrote the first token to operator.token in its data directory.</p>
    </>
  );
}

function ErrorPage({ message, hint }: PageOf<"error">) {
  return (
    <>
      <h1>That did not work</h1>
      <p>{message}</p>
      <p>{hint}</p>
    </>
  );
}

interface Shown {
  readonly title: string;
  /** The entry of the navigation. */
  readonly href: string;
  readonly body: ComponentChildren;
}

type Show<K extends PageName> = (data: PageOf<K>) => Shown;

const PAGES: { readonly [K in PageName]: Show<K> } = {
  overview: (data) => ({ title: "Overview", href: "/", body: <OverviewPage {...data} /> }),
  compatibility: (data) => ({
    title: "Compatibility",
    href: "/compatibility",
    body: <CompatibilityPage {...data} />,
  }),
  pools: (data) => ({ title: "Pools", href: "/pools", body: <PoolsPage {...data} /> }),
  pool: (data) => ({ title: data.pool.name, href: "/pools", body: <PoolPage {...data} /> }),
  rollout: (data) => ({
    title: `Rollout in ${data.rollout.pool}`,
    href: "/pools",
    body: <RolloutPage {...data} />,
  }),
  change: (data) => ({ title: "Change", href: "/change", body: <ChangePage {...data} /> }),
  drift: (data) => ({ title: "Drift", href: "/drift", body: <DriftPage {...data} /> }),
  nodes: (data) => ({ title: "Nodes", href: "/nodes", body: <NodesPage {...data} /> }),
  node: (data) => ({ title: data.node.name, href: "/nodes", body: <NodePage {...data} /> }),
  snapshots: (data) => ({
    title: "Snapshots",
    href: "/snapshots",
    body: <SnapshotsPage {...data} />,
  }),
  snapshot: (data) => ({
    title: data.snapshot.name,
    href: "/snapshots",
    body: <SnapshotPage {...data} />,
  }),
  sandboxes: (data) => ({
    title: "Sandboxes",
    href: "/sandboxes",
    body: <SandboxesPage {...data} />,
  }),
  sandbox: (data) => ({
    title: data.sandbox.id,
    href: "/sandboxes",
    body: <SandboxPage {...data} />,
  }),
  "sign-in": (data) => ({ title: "Sign in", href: "", body: <SignInPage {...data} /> }),
  error: (data) => ({ title: "Error", href: "", body: <ErrorPage {...data} /> }),
};

const NAV: readonly Link[] = [
  { href: "/", text: "Overview" },
  { href: "/compatibility", text: "Compatibility" },
  { href: "/pools", text: "Pools" },
  { href: "/nodes", text: "Nodes" },
  { href: "/snapshots", text: "Snapshots" },
  { href: "/sandboxes", text: "Sandboxes" },
  { href: "/change", text: "Change" },
  { href: "/drift", text: "Drift" },
];

export interface FleetAssets {
  readonly css: string;
  readonly js: string;
  readonly events: string;
}

/** `signedIn`: whether there is somebody to sign out, and anything to hear of. */
export function renderFleetPage(data: FleetPage, assets: FleetAssets, signedIn: boolean): string {
  const { title, href, body } = PAGES[data.page](bounded(data) as never);
  const { events, ...files } = assets;
  const signOut = (
    <form method="post" action="/sign-out">
      <button type="submit">Sign out</button>
    </form>
  );
  return renderPage({
    title: `${title} · evenkeel`,
    nav: signedIn ? NAV.map((link) => ({ ...link, current: link.href === href })) : [],
    body,
    tools: signedIn ? signOut : undefined,
    // A simulation is not repeated because something happened meanwhile.
    assets: signedIn && data.page !== "change" ? { ...files, events } : files,
  });
}
