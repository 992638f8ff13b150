/** One event of a stream, as the HTML standard (section 9.2) puts it together. */
export interface ServerSentEvent {
  readonly id: string;
  readonly event: string;
  /** `undefined` for a block that only moves the id on. */
  readonly data: string | undefined;
}

const maxEventLength = 64 * 1024 * 1024;

/**
 * Takes a `text/event-stream` apart. Ends with the body; an event that the end cuts off is dropped, as the standard
 * wants. `id` is the last one given, also by an earlier event.
 */
export async function* serverSentEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  const decoder = new TextDecoder();
  let rest = '';
  let id = '';
  let moved = false;
  let event = '';
  let data: string[] = [];
  let length = 0;
  let mayBreak = false;
  for await (const chunk of body) {
    const text = decoder.decode(chunk, { stream: true });
    rest += text;
    if (length + rest.length > maxEventLength)
      throw new Error(`expected events of at most ${maxEventLength} characters, got more`);
    // A long line is not looked through again with each piece of it.
    const isWhole = mayBreak || /[\r\n]/.test(text);
    mayBreak = text.endsWith('\r');
    if (!isWhole) continue;
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0 || moved) {
          yield { id, event: event === '' ? 'message' : event, data: data.length > 0 ? data.join('\n') : undefined };
        }
        moved = false;
        event = '';
        data = [];
        length = 0;
        continue;
      }
      const colon = line.indexOf(':');
      if (colon === 0) continue;
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
      if (field === 'data') data.push(value);
      else if (field === 'event') event = value;
      else if (field === 'id' && !value.includes('\0')) {
        id = value;
        moved = true;
      }
      length += line.length;
    }
  }
}
