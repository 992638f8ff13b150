import { InvalidArgumentError } from 'commander';
import { gather } from './numbers.ts';

/** Id of an event, `<stream>@<revision>`, by its form; without the schemas of the domain, which a command line would have to load for it. */
export function eventIdArgument(text: string): string {
  if (!/^[a-z]+-[^@\s]+@\d{1,16}$/.test(text))
    throw new InvalidArgumentError(
      `Expected the id of an event, like build-0r7k2m9q4abcdefg-12@4, got ${JSON.stringify(text)}.`,
    );
  return text;
}

/** Ids of events, one for each time that the option is given. */
export function gatherEventIds(text: string, before?: readonly string[]): readonly string[] {
  return gather(eventIdArgument(text), before);
}
