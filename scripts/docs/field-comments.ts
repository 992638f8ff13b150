/** Comments of fields in a file of events, by `<event>.<field>`; those before the first event stand for all, as `.<field>`. */
export function fieldComments(source: string): ReadonlyMap<string, string> {
  const comments = new Map<string, string>();
  const starts = [...source.matchAll(/defineEvent\(\s*'(\w+)'/g)];
  const chunks = [
    { event: '', text: source.slice(0, starts[0]?.index) },
    ...starts.map((start, index) => ({
      event: start[1] as string,
      text: source.slice(start.index, starts[index + 1]?.index),
    })),
  ];
  for (const { event, text } of chunks) {
    for (const [, comment, field] of text.matchAll(/\/\*\*((?:(?!\*\/)[\s\S])*?)\*\/\s*(\w+):/g)) {
      const words = (comment as string).replaceAll(/\s*\n\s*\*?\s*/g, ' ').trim();
      comments.set(`${event}.${field}`, words.replaceAll('|', '\\|').replaceAll(/\{@link (\w+)\}/g, '$1'));
    }
  }
  return comments;
}
