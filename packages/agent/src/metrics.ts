/**
 * Metrics in Prometheus' text format, version 0.0.4. One page of code instead of a dependency: only
 * counters, histograms and gauges are needed.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
type Labels = Readonly<Record<string, string>>;

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function series(name: string, labels: Labels): string {
  const pairs = Object.entries(labels).map(([key, value]) => `${key}="${escape(value)}"`);
  return pairs.length === 0 ? name : `${name}{${pairs.join(",")}}`;
}

function head(name: string, type: string, help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}

interface Counter {
  /** `amount`: 1 unless told otherwise. */
  add(labels: Labels, amount?: number): void;
  lines(): string[];
}

function counter(name: string, help: string): Counter {
  const values = new Map<string, number>();
  return {
    add: (labels, amount = 1) => {
      const key = series(name, labels);
      values.set(key, (values.get(key) ?? 0) + amount);
    },
    lines: () => [
      ...head(name, "counter", help),
      ...[...values].map(([key, value]) => `${key} ${value}`),
    ],
  };
}

interface Histogram {
  /** Shows a series before there is anything to observe. */
  start(labels: Labels): void;
  observe(seconds: number, labels: Labels): void;
  lines(): string[];
}

const BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

function histogram(name: string, help: string): Histogram {
  const all = new Map<string, { labels: Labels; counts: number[]; sum: number; count: number }>();
  const nothing = (labels: Labels) => ({
    labels,
    counts: BOUNDS.map(() => 0),
    sum: 0,
    count: 0,
  });
  return {
    start: (labels) => {
      const key = series(name, labels);
      if (!all.has(key)) all.set(key, nothing(labels));
    },
    observe: (seconds, labels) => {
      const key = series(name, labels);
      const one = all.get(key) ?? nothing(labels);
      const counts = one.counts.map((n, i) => (seconds <= (BOUNDS[i] ?? 0) ? n + 1 : n));
      all.set(key, { labels, counts, sum: one.sum + seconds, count: one.count + 1 });
    },
    lines: () => [
      ...head(name, "histogram", help),
      ...[...all.values()].flatMap(({ labels, counts, sum, count }) => [
        ...BOUNDS.map(
          (le, i) => `${series(`${name}_bucket`, { ...labels, le: String(le) })} ${counts[i] ?? 0}`,
        ),
        `${series(`${name}_bucket`, { ...labels, le: "+Inf" })} ${count}`,
        `${series(`${name}_sum`, labels)} ${sum}`,
        `${series(`${name}_count`, labels)} ${count}`,
      ]),
    ],
  };
}

/** A value that is computed at each scrape. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly read: () => readonly (readonly [Labels, number])[];
}

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
  const seconds = histogram("evenkeel_operation_seconds", "How long operations took.");
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
      const lines = gauges.flatMap(({ name, help, read }) => [
        ...head(name, "gauge", help),
        ...read().map(([labels, value]) => `${series(name, labels)} ${value}`),
      ]);
      const rest = [operations, seconds, verdicts, events, consoleSkipped].flatMap((metric) =>
        metric.lines(),
      );
      return `${[...lines, ...rest].join("\n")}\n`;
    },
  };
  startFromZero(metrics);
  return metrics;
}
