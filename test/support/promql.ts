const words = new Set(
  'sum min max count avg by without and or unless on ignoring rate increase histogram_quantile absent time'.split(
    ' ',
  ),
);

/** Without texts and durations, which look like names. */
function bare(expression: string): string {
  return expression.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""').replaceAll(/\[\w+\]/g, '');
}

/** Names of the metrics that an expression of Prometheus asks for; everything in it that is no word of the language. */
export function metricsIn(expression: string): readonly string[] {
  const text = bare(expression)
    .replaceAll(/\{[^}]*\}/g, '')
    .replaceAll(/\b(?:by|without) *\([^)]*\)/g, '');
  const names = [...text.matchAll(/[a-zA-Z_:][\w:]*/g)].map(([name]) => name);
  return [...new Set(names.filter((name) => !words.has(name)))];
}

/** Names of the labels that an expression chooses or groups by. */
export function labelsIn(expression: string): readonly string[] {
  const text = bare(expression);
  const chosen = [...text.matchAll(/(\w+) *(?:=~|!~|!=|=) *""/g)].map(([, name = '']) => name);
  const grouped = [...text.matchAll(/\b(?:by|without) *\(([^)]*)\)/g)].flatMap(([, list = '']) =>
    list.split(',').map((name) => name.trim()),
  );
  return [...new Set([...chosen, ...grouped])];
}
