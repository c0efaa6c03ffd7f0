/** The waves of a rollout as bars: how many nodes of each apply, refuse or await the version. */
import type { RolloutView } from "@evenkeel/api";
import { CHECKS, countChecks, WAVES } from "../view/waves.ts";
import { plural } from "../view/text.ts";

const ORDER = ["canary", "share", "all"] as const;
const KINDS = ["applied", "refused", "away", "waiting", "untold"] as const;
/** In SVG units. */
const WIDTH = 240;
const HEIGHT = 18;

type Nodes = RolloutView["nodes"];

function Bar({ nodes }: { readonly nodes: Nodes }) {
  const counts = countChecks(nodes);
  let x = 0;
  return (
    <svg
      aria-hidden="true"
      width="100%"
      height={HEIGHT}
      viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
      preserveAspectRatio="none"
    >
      {KINDS.map((kind) => {
        const width = nodes.length === 0 ? 0 : (counts[kind] / nodes.length) * WIDTH;
        const at = x;
        x += width;
        return (
          <rect key={kind} class={CHECKS[kind].tone} x={at} y={0} width={width} height={HEIGHT} />
        );
      })}
    </svg>
  );
}

function place(rollout: RolloutView, wave: (typeof ORDER)[number]): string {
  if (rollout.state === "done") return "done";
  const [now, at] = [ORDER.indexOf(rollout.stage), ORDER.indexOf(wave)];
  if (at < now) return "done";
  if (at > now) return rollout.state === "halted" ? "never begun" : "to come";
  return rollout.state === "halted" ? "halted here" : "now";
}

export function Waves({ rollout }: { readonly rollout: RolloutView }) {
  return (
    <ol class="waves">
      {ORDER.map((wave) => {
        const own = rollout.nodes.filter((node) => node.wave === wave);
        const counts = countChecks(own);
        const said = KINDS.filter((kind) => counts[kind] > 0);
        const where = place(rollout, wave);
        return (
          <li key={wave} class={where.startsWith("halted") ? "halted" : where}>
            <h3>
              {WAVES[wave].title} <span class="hint">{where}</span>
            </h3>
            <p class="hint">
              {WAVES[wave].text}: {plural(own.length, "node")}
            </p>
            <Bar nodes={own} />
            <ul class="legend">
              {said.map((kind) => (
                <li key={kind}>
                  <span class={`badge ${CHECKS[kind].tone}`}>
                    <span aria-hidden="true">{CHECKS[kind].sign}</span> {counts[kind]}{" "}
                    {CHECKS[kind].text}
                  </span>
                </li>
              ))}
            </ul>
          </li>
        );
      })}
    </ol>
  );
}
