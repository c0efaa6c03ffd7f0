/** A rollout: its waves, what each node made of it, and how to go back. */
import { Section, Table } from "../pictures/parts.tsx";
import { Waves } from "../pictures/waves.tsx";
import { Sentences, type Sentence } from "../page/overview.tsx";
import { plural, short } from "../view/text.ts";
import { CHECKS, countChecks, WAVES } from "../view/waves.ts";
import type { PageOf } from "./data.ts";
import { ClassLink, Events, NodeLink, Time } from "./parts.tsx";

type Data = PageOf<"rollout">;
type Rollout = Data["rollout"];

/** Nodes that are listed; those that need attention come first in each wave. */
const MOST = 300;

function sentencesOf(rollout: Rollout): Sentence[] {
  const { version, before, stage, state, why, nodes } = rollout;
  const counts = countChecks(nodes);
  const back =
    before === null
      ? "nodes go back to booting without a plan"
      : `nodes go back to version ${before}`;
  const first: Readonly<Record<Rollout["state"], Sentence>> = {
    rolling: {
      tone: "insecure",
      text: `Version ${version} rolls out: ${WAVES[stage].title.toLowerCase()} now.`,
    },
    halted: {
      tone: "incompatible",
      text: `Version ${version} was halted, and ${back}: ${short(why ?? "no reason was kept", 400)}.`,
    },
    done: { tone: "compatible", text: `Version ${version} has reached every wave.` },
  };
  return [
    first[state],
    {
      tone:
        counts.refused > 0
          ? "incompatible"
          : counts.applied === nodes.length
            ? "compatible"
            : "insecure",
      text: `${counts.applied} of ${plural(nodes.length, "node")} apply it${counts.refused > 0 ? `; ${counts.refused} refuse it` : ""}.`,
      href: "#nodes",
    },
  ];
}

function Next({ rollout, plans }: Pick<Data, "rollout" | "plans">) {
  const { pool, state, before, version } = rollout;
  if (state === "rolling") {
    return (
      <>
        <p>
          It halts by itself at the first node that refuses it, or where a wave takes longer than
          ten minutes. To halt it now{before === null ? "" : ` and go back to version ${before}`}:
        </p>
        <pre class="command" tabIndex={0}>
          evenkeel fleet halt {short(pool, 64)}
        </pre>
      </>
    );
  }
  const again = state === "halted" ? version : before;
  const plan = plans.find((one) => one.version === again);
  if (plan === undefined) return null;
  return (
    <>
      <p>{state === "halted" ? "Once the cause is mended, try it again:" : "To go back:"}</p>
      <pre class="command" tabIndex={0}>
        evenkeel fleet approve {short(pool, 64)} {plan.version} {plan.digest.slice(0, 12)}
      </pre>
    </>
  );
}

export function RolloutPage({ rollout, plans, events }: Data) {
  const { pool, started, stageSince, nodes } = rollout;
  const rows = nodes.slice(0, MOST);
  const more = nodes.length - rows.length;
  return (
    <>
      <h1>Rollout in {short(pool, 80)}</h1>
      <p>
        <a href={`/pools/${encodeURIComponent(pool)}`}>{short(pool, 80)}</a>, since{" "}
        <Time at={started} />; this wave since <Time at={stageSince} />.
      </p>
      <Sentences sentences={sentencesOf(rollout)} />
      <Section id="waves" title="Waves">
        <Waves rollout={rollout} />
        <Next rollout={rollout} plans={plans} />
      </Section>
      <Section id="nodes" title="Nodes">
        <Table
          caption="Nodes by wave"
          rows={rows}
          columns={[
            { title: "Node", cell: ({ node }) => <NodeLink name={node} /> },
            { title: "Class", cell: (row) => <ClassLink name={row.class} /> },
            { title: "Wave", cell: ({ wave }) => WAVES[wave].title },
            {
              title: "Check",
              cell: ({ check }) => (
                <span class={`badge ${CHECKS[check].tone}`}>
                  <span aria-hidden="true">{CHECKS[check].sign}</span> {CHECKS[check].text}
                </span>
              ),
            },
            { title: "Why", cell: ({ error }) => short(error ?? "", 300) },
          ]}
        />
        {more > 0 && <p>{plural(more, "more node")} are not shown.</p>}
      </Section>
      <Section id="events" title="What happened">
        <Events caption="Events of the pool, newest first" events={events} />
      </Section>
    </>
  );
}
