/**
 * Figures in Prometheus' text format, version 0.0.4. A writer of one page instead of a dependency:
 * counters, histograms and gauges are all there is.
 * https://prometheus.io/docs/instrumenting/exposition_formats/
 */
export type Labels = Readonly<Record<string, string>>;

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

export interface Counter {
  /** `amount`: 1 unless told otherwise. */
  add(labels: Labels, amount?: number): void;
  lines(): string[];
}

export function counter(name: string, help: string): Counter {
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

export interface Histogram {
  /** Shows a series before there is anything to observe. */
  start(labels: Labels): void;
  observe(seconds: number, labels: Labels): void;
  lines(): string[];
}

/** `bounds`: of its buckets, in seconds, ascending. */
export function histogram(name: string, help: string, bounds: readonly number[]): Histogram {
  const all = new Map<string, { labels: Labels; counts: number[]; sum: number; count: number }>();
  const nothing = (labels: Labels) => ({
    labels,
    counts: bounds.map(() => 0),
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
      const counts = one.counts.map((n, i) => (seconds <= (bounds[i] ?? 0) ? n + 1 : n));
      all.set(key, { labels, counts, sum: one.sum + seconds, count: one.count + 1 });
    },
    lines: () => [
      ...head(name, "histogram", help),
      ...[...all.values()].flatMap(({ labels, counts, sum, count }) => [
        ...bounds.map(
          (le, i) => `${series(`${name}_bucket`, { ...labels, le: String(le) })} ${counts[i] ?? 0}`,
        ),
        `${series(`${name}_bucket`, { ...labels, le: "+Inf" })} ${count}`,
        `${series(`${name}_sum`, labels)} ${sum}`,
        `${series(`${name}_count`, labels)} ${count}`,
      ]),
    ],
  };
}

/** A figure that is looked up when it is asked for. */
export interface Gauge {
  readonly name: string;
  readonly help: string;
  readonly read: () => readonly (readonly [Labels, number])[];
}

/** A page's lines of figures that are looked up. */
export function gaugeLines(gauges: readonly Gauge[]): string[] {
  return gauges.flatMap(({ name, help, read }) => [
    ...head(name, "gauge", help),
    ...read().map(([labels, value]) => `${series(name, labels)} ${value}`),
  ]);
}
