/** Sandboxes: all of them, and one with what happened to it and why. */
import type { FleetSandbox, SandboxState } from "@evenkeel/api";
import { Section, Table } from "../pictures/parts.tsx";
import { few, plural, short } from "../view/text.ts";
import type { PageOf } from "./data.ts";
import { Events, NodeLink, SandboxLink, SnapshotLink, Time } from "./parts.tsx";
import { Pager, Search } from "./search.tsx";

const STATES: Readonly<Record<SandboxState, { readonly sign: string; readonly tone: string }>> = {
  creating: { sign: "…", tone: "unknown" },
  running: { sign: "▶", tone: "compatible" },
  pausing: { sign: "…", tone: "unknown" },
  paused: { sign: "‖", tone: "unknown" },
  resuming: { sign: "…", tone: "unknown" },
  killing: { sign: "…", tone: "unknown" },
  failed: { sign: "✕", tone: "incompatible" },
};

function State({ state, count }: { readonly state: SandboxState; readonly count?: number }) {
  const { sign, tone } = STATES[state];
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{sign}</span> {count} {state}
    </span>
  );
}

function labelsText({ labels }: FleetSandbox): string {
  return few(
    Object.entries(labels).map(([key, value]) => `${key}=${value}`),
    4,
  );
}

export function SandboxesPage({ sandboxes, states, search }: PageOf<"sandboxes">) {
  const list = { action: "/sandboxes", noun: "sandbox", search, listed: sandboxes } as const;
  return (
    <>
      <h1>{plural(sandboxes.all, "sandbox")}</h1>
      <ul class="legend">
        {(Object.entries(states) as [SandboxState, number][]).map(([state, count]) => (
          <li key={state}>
            <a href={`/sandboxes?q=${state}`}>
              <State state={state} count={count} />
            </a>
          </li>
        ))}
      </ul>
      <Search {...list} />
      <Table
        caption="Sandboxes, newest first"
        rows={sandboxes.rows}
        columns={[
          { title: "Sandbox", cell: ({ id }) => <SandboxLink id={id} /> },
          { title: "State", cell: ({ state }) => <State state={state} /> },
          { title: "Node", cell: ({ node }) => <NodeLink name={node} /> },
          { title: "Memory", cell: ({ memoryMib }) => `${memoryMib} MiB`, numeric: true },
          { title: "Labels", cell: labelsText },
          { title: "Error", cell: ({ error }) => short(error ?? "", 80) },
          { title: "Created", cell: ({ created }) => <Time at={created} /> },
        ]}
      />
      <Pager {...list} />
    </>
  );
}

function Origin({ digest }: { readonly digest: string | null }) {
  if (digest === null) return <>none</>;
  return <SnapshotLink digest={digest} name={digest} />;
}

export function SandboxPage({ sandbox, events }: PageOf<"sandbox">) {
  const { id, state, node, from, snapshot, contract, memoryMib, error } = sandbox;
  const facts = [
    ["node", <NodeLink key="node" name={node} />],
    ["came from", <Origin key="from" digest={from} />],
    ["resumes from", <Origin key="snapshot" digest={snapshot} />],
    ["contract", <code key="contract">{contract ?? "not said"}</code>],
    ["memory", `${memoryMib} MiB`],
    ["labels", labelsText(sandbox)],
    ["created", <Time key="created" at={sandbox.created} />],
    ["by", short(sandbox.createdBy, 80)],
    ["heard of last", <Time key="updated" at={sandbox.updated} />],
  ] as const;
  return (
    <>
      <h1>
        <code>{short(id, 80)}</code>
      </h1>
      <p>
        <State state={state} /> on <NodeLink name={node} />.
      </p>
      {error !== null && (
        <Section id="why" title="What went wrong">
          <pre class="command" tabIndex={0}>
            {short(error, 4000)}
          </pre>
        </Section>
      )}
      <Table
        caption="Facts about the sandbox"
        rows={facts}
        columns={[
          { title: "Fact", cell: ([fact]) => fact },
          { title: "Value", cell: ([, value]) => value },
        ]}
      />
      <Section id="console" title="Console">
        <p>
          A guest's console stays on its node, in <code>vms/{short(id, 64)}/</code> of the agent's
          data directory. Of a sandbox that failed, the agent has its end; there, to have a fault
          explained:
        </p>
        <pre class="command" tabIndex={0}>
          curl -sS --unix-socket /run/evenkeel/agent.sock http://a/v1/sandboxes/{short(id, 64)} | jq
          -r .failure.console | evenkeel explain -
        </pre>
      </Section>
      <Section id="events" title="What happened to it">
        <Events caption="Events of the sandbox, newest first" events={events} />
      </Section>
    </>
  );
}
