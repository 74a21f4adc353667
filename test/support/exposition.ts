/** One sample of a page for Prometheus. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const samplePattern = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

function readSample(line: string): Sample {
  const [, name = '', labels = '', value = ''] = samplePattern.exec(line) ?? [];
  const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)",?/g)].map(([, key = '', text = '']) => [
    key,
    text,
  ]);
  const number = value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value);
  if (name === '' || (Number.isNaN(number) && value !== 'NaN')) throw new Error(`No sample: ${line}`);
  return { name, labels: Object.fromEntries(pairs), value: number };
}

/** Metrics that are described, each once. */
function readDescribed(lines: readonly string[]): ReadonlySet<string> {
  const described = new Set<string>();
  for (const line of lines) {
    const [, metric] = /^# TYPE (\S+) (?:counter|gauge|histogram|summary)$/.exec(line) ?? [];
    if (metric === undefined) continue;
    if (described.has(metric)) throw new Error(`Described twice: ${metric}`);
    described.add(metric);
  }
  return described;
}

/**
 * Reads a page in Prometheus' text format as strictly as its own parser: each metric is described once, and no series
 * comes twice. @throws Error naming the line
 */
export function readExposition(page: string): readonly Sample[] {
  const lines = page.split('\n');
  const described = readDescribed(lines);
  const series = lines.filter((line) => line !== '' && !line.startsWith('# '));
  const names = series.map((line) => line.slice(0, line.lastIndexOf(' ')));
  if (new Set(names).size < names.length) throw new Error('A series comes twice.');
  return series.map((line) => {
    const sample = readSample(line);
    const metric = sample.name.replace(/_(?:bucket|sum|count)$/, '');
    if (described.has(sample.name) || described.has(metric)) return sample;
    throw new Error(`Not described: ${line}`);
  });
}

/** Names of the metrics that a page describes, also those that have no sample yet; histograms with their series. */
export function metricNames(page: string): ReadonlySet<string> {
  return new Set(
    [...page.matchAll(/^# TYPE (\S+) (\S+)$/gm)].flatMap(([, name = '', type]) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    ),
  );
}

/** The value of the one sample with this name and at least these labels; `undefined` when there is none. */
export function figureOf(
  samples: readonly Sample[],
  name: string,
  labels: Readonly<Record<string, string>> = {},
): number | undefined {
  const found = samples.filter(
    (sample) =>
      sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
  );
  if (found.length > 1) throw new Error(`${name} ${JSON.stringify(labels)} is no single series.`);
  return found[0]?.value;
}
