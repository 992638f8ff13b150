/**
 * Whether to print colours: `--no-color` and `--color` before FORCE_COLOR (https://force-color.org) before NO_COLOR (https://no-color.org:
 * any value that is not empty means no) before what standard output is.
 */
export function wantsColour(
  argv: readonly string[],
  { FORCE_COLOR: force, NO_COLOR: no, TERM: term }: NodeJS.ProcessEnv,
  terminal: boolean,
): boolean {
  const end = argv.indexOf('--');
  const wish = (end < 0 ? argv : argv.slice(0, end)).findLast((word) => word === '--color' || word === '--no-color');
  if (wish !== undefined) return wish === '--color';
  if (force) return force !== '0' && force !== 'false';
  return terminal && !no && term !== 'dumb';
}
