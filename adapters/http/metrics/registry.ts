/** Labels of one time series. */
export type Labels = Readonly<Record<string, string>>;

export interface Counter {
  add(labels: Labels, amount?: number): void;
}
export interface Histogram {
  observe(labels: Labels, value: number): void;
  /** To observe many of one series. */
  observer(labels: Labels): (value: number) => void;
}
/** A value now, for each set of labels. */
export type Reading = Iterable<readonly [labels: Labels, value: number]>;

/**
 * Figures for Prometheus. Counters and histograms are counted as things happen; gauges are read when somebody looks, so
 * that they cost nothing otherwise and cannot go stale. A name can be taken once.
 */
export interface Metrics {
  counter(name: string, help: string): Counter;
  /** @param bounds upper bounds of the buckets, rising; the one for everything is added. */
  histogram(name: string, help: string, bounds: readonly number[]): Histogram;
  gauge(name: string, help: string, read: () => Reading): void;
  /** A counter that somebody else counts, read as a gauge is. */
  total(name: string, help: string, read: () => Reading): void;
  /** What several figures are read from: asked for once each time that somebody looks. */
  shared<Value>(read: () => Value): () => Value;
  /** Text format 0.0.4. Source: prometheus.io, exposition formats. */
  render(): string;
}

export function createMetrics(): Metrics {
  const families = new Map<string, () => string>();
  /** Of how many times that somebody looked this is. */
  let looks = 0;
  const add = (name: string, type: string, help: string, lines: () => string) => {
    if (!/^[a-zA-Z_:][a-zA-Z0-9_:]*$/.test(name)) throw new Error(`expected a metric name, got ${name}`);
    if (families.has(name)) throw new Error(`expected a new metric name, got ${name} again`);
    const head = `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`;
    families.set(name, () => head + lines());
  };
  return {
    counter(name, help) {
      const values = new Map<string, number>();
      add(name, 'counter', help, () => {
        let text = '';
        for (const [labels, value] of values) text += `${name}${braces(labels)} ${number(value)}\n`;
        return text;
      });
      return {
        add(labels, amount = 1) {
          const key = labelText(labels);
          values.set(key, (values.get(key) ?? 0) + amount);
        },
      };
    },
    histogram(name, help, bounds) {
      const series = new Map<string, { readonly counts: Float64Array; sum: number; total: number }>();
      add(name, 'histogram', help, () => {
        let text = '';
        for (const [labels, { counts, sum, total }] of series) {
          let below = 0;
          for (const [index, bound] of bounds.entries()) {
            below += counts[index] as number;
            text += `${name}_bucket${braces(join(labels, `le="${number(bound)}"`))} ${below}\n`;
          }
          text += `${name}_bucket${braces(join(labels, 'le="+Inf"'))} ${total}\n`;
          text += `${name}_sum${braces(labels)} ${number(sum)}\n${name}_count${braces(labels)} ${total}\n`;
        }
        return text;
      });
      function observer(labels: Labels): (value: number) => void {
        const key = labelText(labels);
        const entry = series.get(key) ?? { counts: new Float64Array(bounds.length), sum: 0, total: 0 };
        series.set(key, entry);
        return (value) => {
          const index = bounds.findIndex((bound) => value <= bound);
          if (index >= 0) entry.counts[index] = (entry.counts[index] as number) + 1;
          entry.sum += value;
          entry.total++;
        };
      }
      return { observer, observe: (labels, value) => observer(labels)(value) };
    },
    gauge: (name, help, read) => add(name, 'gauge', help, () => samples(name, read)),
    total: (name, help, read) => add(name, 'counter', help, () => samples(name, read)),
    shared(read) {
      let held: { readonly look: number; readonly value: ReturnType<typeof read> } | undefined;
      return () => {
        if (held?.look !== looks) held = { look: looks, value: read() };
        return held.value;
      };
    },
    render() {
      looks++;
      let text = '';
      for (const family of families.values()) text += family();
      return text;
    },
  };
}

function samples(name: string, read: () => Reading): string {
  let text = '';
  try {
    for (const [labels, value] of read()) text += `${name}${braces(labelText(labels))} ${number(value)}\n`;
  } catch {
    // A figure that cannot be had at the moment has no sample; the others are wanted then more than ever.
  }
  return text;
}

function labelText(labels: Labels): string {
  let text = '';
  for (const [name, value] of Object.entries(labels)) text = join(text, `${name}="${escapeLabel(value)}"`);
  return text;
}

function join(left: string, right: string): string {
  return left === '' ? right : `${left},${right}`;
}

function braces(labels: string): string {
  return labels === '' ? '' : `{${labels}}`;
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

function number(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}
