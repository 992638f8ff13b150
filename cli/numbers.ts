import { InvalidArgumentError } from 'commander';

/** Reads an option that is a whole number from `least` to `most`; refuses anything else as a wrong use. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^-?\d+$/.test(text) || value < least || value > most) {
      const range = most === Number.MAX_SAFE_INTEGER ? `of ${least} or more` : `from ${least} to ${most}`;
      throw new InvalidArgumentError(`Expected a whole number ${range}, got ${JSON.stringify(text)}.`);
    }
    return value;
  };
}

/** Gathers an option that may be given several times. */
export function gather(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}

/** The same for words of which there are some only; several may come at once, with commas. */
export function gatherChoices(choices: readonly string[]): typeof gather {
  return (text, before = []) => {
    const words = text.split(',');
    const strange = words.find((word) => !choices.includes(word));
    if (strange !== undefined)
      throw new InvalidArgumentError(`Expected ${choices.join(', ')}, got ${JSON.stringify(strange)}.`);
    return [...before, ...words];
  };
}

const unitSeconds: Readonly<Record<string, number>> = { '': 1, s: 1, m: 60, h: 3600, d: 24 * 3600 };

/** Reads an option that is a time, `90s`, `10m`, `2h`, `7d` or a number of seconds, of at most `most` seconds; gives seconds. */
export function durationSeconds(most: number): (text: string) => number {
  return (text) => {
    const [, number = '', unit = ''] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
    const value = number === '' ? Number.NaN : Number(number) * (unitSeconds[unit] ?? Number.NaN);
    if (!(value <= most))
      throw new InvalidArgumentError(
        `Expected a time of at most ${most} seconds like 90s, 10m, 2h or 7d, got ${JSON.stringify(text)}.`,
      );
    return value;
  };
}

const unitBytes: Readonly<Record<string, number>> = { '': 1, K: 1024, M: 1024 ** 2, G: 1024 ** 3, T: 1024 ** 4 };

/** The number of bytes that a text says, in powers of 1024: `1048576`, `50M`, `2GiB`; `NaN` for any other text. */
export function parseBytes(text: string): number {
  const [, number = '', unit = ''] = /^(\d{1,15})([KMGT]?)$/.exec(text.replace(/i?B$/, '')) ?? [];
  return number === '' ? Number.NaN : Number(number) * (unitBytes[unit] ?? Number.NaN);
}

/** Reads an option that is a number of bytes, of at least 1024: `1048576`, `50M`, `2G`. */
export function byteCount(text: string): number {
  const value = parseBytes(text);
  if (!(value >= 1024 && value <= Number.MAX_SAFE_INTEGER))
    throw new InvalidArgumentError(
      `Expected a number of bytes of 1024 or more, like 50M or 2G, got ${JSON.stringify(text)}.`,
    );
  return value;
}

/** The longest that anything is kept: a hundred years, in seconds. */
export const longestKeepSeconds = 3_153_600_000;
