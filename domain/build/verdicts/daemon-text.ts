// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is removed
const escapes = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/**
 * An error as Nix sends it from one of its processes to another: type, level, name and message, in the encoding of its protocol.
 * Nix 2.8 takes one that comes after the sandbox is ready ("the builder is not there") for the builder's log.
 */
const errorFrame =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: it is binary
  /\u0001\n(?:> )?\u0005\0{7}Error\0{11}\u0005\0{7}Error\0{3}\0?[^\0]{1,2}\0{5,7}([^\0]+)\0+/g;

/** The text with errors in place of the binary ones in it. */
export function withoutErrorFrames(text: string): string {
  return text.replace(errorFrame, (_, message: string) => `error: ${message}`);
}

/** A message of a daemon for people: without colours, its `error:` and its advice to look at a log that this store does not keep. */
export function messageForPeople(text: string): string {
  return withoutErrorFrames(text)
    .replace(escapes, '')
    .replace(/^(?:error:\s*)+/, '')
    .replace(/^For full logs, run(?::\n {2,}\S)?.*\n?/gm, '')
    .trim();
}

/**
 * The daemon's own words of it: without the last lines of the builder's log, which stand below a headline of their own, each behind
 * `> `. What is left was not printed by the builder.
 */
export function daemonsWords(text: string): string {
  const words: string[] = [];
  let quoting = false;
  for (const line of messageForPeople(text).split('\n')) {
    if (/^\s*last \d+ log lines:$/i.test(line)) quoting = true;
    else if (!quoting || !/^\s*>/.test(line)) {
      quoting = false;
      words.push(line);
    }
  }
  return words.join('\n').trim().replace(/[;.]$/, '');
}

/** What went wrong, of a text that begins with what was being done: `… while doing this`, then `error: ` and that. */
export function withoutTraces(words: string): string {
  if (!words.startsWith('… ')) return words;
  return words.replace(/^.*?\n\s*error:\s*/s, '');
}
