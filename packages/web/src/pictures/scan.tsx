/** What files need, and what each would do in the pool. */
import type { ScanDocument } from "../read/schemas.ts";
import { few, plural, short } from "../view/text.ts";
import { Table } from "./parts.tsx";

type Judgement = NonNullable<ScanDocument["judgements"]>[number];
type Outcome = Judgement["outcome"];

const TONES: Readonly<Record<Outcome, { sign: string; tone: string }>> = {
  "will die": { sign: "✕", tone: "incompatible" },
  "may die": { sign: "✕", tone: "incompatible" },
  "frozen at snapshot": { sign: "!", tone: "insecure" },
  unknown: { sign: "?", tone: "unknown" },
  "loses speed": { sign: "✓", tone: "compatible" },
  fine: { sign: "✓", tone: "compatible" },
};
const WORST_FIRST = Object.keys(TONES) as Outcome[];

function OutcomeBadge({ outcome }: { readonly outcome: Outcome }) {
  const { sign, tone } = TONES[outcome];
  return (
    <span class={`badge ${tone}`}>
      <span aria-hidden="true">{sign}</span> {outcome}
    </span>
  );
}

interface Line {
  readonly name: string;
  readonly kind: string;
  readonly features: readonly string[];
  readonly judgement: Judgement | undefined;
}

function linesOf({ files, judgements }: ScanDocument): Line[] {
  const byName = new Map(judgements?.map((judgement) => [judgement.name, judgement]));
  const rank = ({ judgement }: Line) =>
    judgement === undefined ? -1 : WORST_FIRST.indexOf(judgement.outcome);
  return files
    .map(({ name, kind, features }) => ({
      name,
      kind,
      features: features.filter(({ sure }) => sure !== "doubtful").map(({ feature }) => feature),
      judgement: byName.get(name),
    }))
    .toSorted((a, b) => rank(a) - rank(b));
}

function Counts({ judgements = [] }: ScanDocument) {
  const total = judgements.length;
  return (
    <ul class="bars">
      {WORST_FIRST.map((outcome) => {
        const count = judgements.filter((one) => one.outcome === outcome).length;
        if (count === 0) return null;
        return (
          <li key={outcome}>
            <OutcomeBadge outcome={outcome} />{" "}
            <meter
              min={0}
              max={total}
              value={count}
              aria-label={`${outcome}: ${count} of ${total}`}
            />{" "}
            {plural(count, "file")}
          </li>
        );
      })}
    </ul>
  );
}

function reasonsText({ judgement }: Line): string {
  return (judgement?.reasons ?? [])
    .slice(0, 3)
    .map(({ feature, why }) => (feature === "" ? why : `${feature}: ${why}`))
    .join("; ");
}

export function Scan({ scan }: { readonly scan: ScanDocument }) {
  const { files, skipped, unread, members = [] } = scan;
  const judged = scan.judgements !== undefined;
  return (
    <>
      <p>
        {plural(files.length, "file")} with machine code
        {judged && `, judged for ${few(members)}`}. {plural(unread.length, "thing")} not read,{" "}
        {skipped.length} set aside.
      </p>
      {judged && <Counts {...scan} />}
      <Table
        caption="Files and what they can use"
        search="Search a file or feature"
        rows={linesOf(scan)}
        columns={[
          { title: "File", cell: ({ name }) => <code>{short(name, 96)}</code> },
          ...(judged
            ? [
                {
                  title: "In this pool",
                  cell: ({ judgement }: Line) =>
                    judgement && <OutcomeBadge outcome={judgement.outcome} />,
                },
                { title: "Because", cell: reasonsText },
              ]
            : []),
          { title: "Kind", cell: ({ kind }) => short(kind, 40) },
          { title: "Can use", cell: ({ features }) => few(features, 12) },
        ]}
      />
      {unread.length > 0 && (
        <>
          <h3>Not read: what is in them is not known</h3>
          <Table
            caption="Not read"
            rows={unread}
            columns={[
              { title: "Name", cell: ({ name }) => <code>{short(name, 96)}</code> },
              { title: "Why", cell: ({ reason }) => short(reason, 200) },
            ]}
          />
        </>
      )}
    </>
  );
}
