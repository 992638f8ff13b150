/** An Atom feed (RFC 4287) with what Drover says in one. Texts are taken as they are: none of them becomes markup. */
export interface AtomFeed {
  /** IRI that never changes. */
  readonly id: string;
  readonly title: string;
  readonly author: string;
  /** Where the feed is, as seen from itself. */
  readonly self: string;
  /** Newest first. */
  readonly entries: readonly AtomEntry[];
}
export interface AtomEntry {
  readonly id: string;
  readonly title: string;
  /** Milliseconds since the Unix epoch. */
  readonly updated: number;
  readonly links: readonly { readonly rel: 'alternate' | 'related'; readonly type: string; readonly href: string }[];
  readonly categories: readonly { readonly scheme: string; readonly term: string }[];
  readonly text: string;
}

export function atomText({ id, title, author, self, entries }: AtomFeed): string {
  const parts = [
    '<?xml version="1.0" encoding="utf-8"?>',
    '<feed xmlns="http://www.w3.org/2005/Atom">',
    element('id', id),
    element('title', title),
    element('updated', time(entries[0]?.updated ?? 0)),
    `<author>${element('name', author)}</author>`,
    `<link${attributes({ rel: 'self', type: 'application/atom+xml', href: self })}/>`,
  ];
  for (const entry of entries) {
    parts.push('<entry>', element('id', entry.id), element('title', entry.title));
    parts.push(element('updated', time(entry.updated)), element('published', time(entry.updated)));
    for (const link of entry.links) parts.push(`<link${attributes(link)}/>`);
    for (const category of entry.categories) parts.push(`<category${attributes(category)}/>`);
    parts.push(`<content type="text">${escaped(entry.text)}</content>`, '</entry>');
  }
  return `${parts.join('\n')}\n</feed>\n`;
}

const time = (ms: number): string => new Date(ms).toISOString();

function element(name: string, text: string): string {
  return `<${name}>${escaped(text)}</${name}>`;
}

function attributes(all: Readonly<Record<string, string>>): string {
  return Object.entries(all)
    .map(([name, value]) => ` ${name}="${escaped(value)}"`)
    .join('');
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&apos;',
};

/** With what XML 1.0 has no place for, control characters and halves of pairs, as the mark for what cannot be shown. */
function escaped(text: string): string {
  return (
    text
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, '\ufffd')
      .replace(/[&<>"']/g, (character) => entities[character] as string)
      .replaceAll('\r', '&#13;')
  );
}
