/** What the agent counts, for Prometheus. */
import {
  counter,
  gaugeLines,
  histogram,
  type Counter,
  type Gauge,
  type Histogram,
} from "@evenkeel/api/exposition";

const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export interface Metrics {
  /** By operation and how it ended: ok, or an error's code. */
  readonly operations: Counter;
  readonly seconds: Histogram;
  readonly verdicts: Counter;
  readonly events: Counter;
  /** Console bytes that were skipped because guests wrote too fast. */
  readonly consoleSkipped: Counter;
  page(gauges: readonly Gauge[]): string;
}

/** Counters by kind exist from the start, so that the first event is an increase. */
const OPERATIONS = ["build", "create", "import", "kill", "pause", "resume"];
const VERDICTS = ["compatible", "unknown", "insecure", "incompatible"];
const ADMISSIONS = ["admitted", "overridden", "refused"];
const EVENTS = [
  "guest.crashed",
  "orphan.reaped",
  "profile.stale",
  "sandbox.failed",
  "snapshot.damaged",
  "template.failed",
  "verdict.overridden",
  "verdict.refused",
];

function startFromZero({ operations, seconds, verdicts, events, consoleSkipped }: Metrics): void {
  for (const operation of OPERATIONS) {
    operations.add({ operation, result: "ok" }, 0);
    seconds.start({ operation });
  }
  for (const verdict of VERDICTS) {
    for (const result of ADMISSIONS) verdicts.add({ verdict, result }, 0);
  }
  for (const type of EVENTS) events.add({ type }, 0);
  consoleSkipped.add({}, 0);
}

export function openMetrics(): Metrics {
  const operations = counter("evenkeel_operations_total", "Operations by kind and result.");
  const seconds = histogram("evenkeel_operation_seconds", "How long operations took.", BOUNDS);
  const verdicts = counter("evenkeel_verdicts_total", "Verdicts on resumes, and their outcomes.");
  const events = counter("evenkeel_events_total", "Events by type.");
  const consoleSkipped = counter(
    "evenkeel_console_skipped_bytes_total",
    "Console output that was not searched for crashes because it came too fast.",
  );
  const metrics: Metrics = {
    operations,
    seconds,
    verdicts,
    events,
    consoleSkipped,
    page: (gauges) => {
      const lines = gaugeLines(gauges);
      const rest = [operations, seconds, verdicts, events, consoleSkipped].flatMap((metric) =>
        metric.lines(),
      );
      return `${[...lines, ...rest].join("\n")}\n`;
    },
  };
  startFromZero(metrics);
  return metrics;
}
