import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { InvalidArgumentError, Option } from 'commander';
import { FolderError } from '../../adapters/mirror/folder-error.ts';
import { FolderInUse, isFolderHeld } from '../../adapters/mirror/folder-lock.ts';
import { createDrover } from '../../client/drover.ts';
import { guixCompressions, guixPublishCompressions } from '../../domain/hook/compressions.ts';
import { parsePublicKey } from '../../domain/store/signature.ts';
import { addCommand, type CommandContext, onAction } from '../command.ts';
import { toCliError } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connectionOf } from '../http/connection.ts';
import { gather } from '../numbers.ts';
import { CliError } from '../output/cli-error.ts';
import { interruptedCode } from '../output/io.ts';
import { plural, printable, size } from '../output/text.ts';
import { createProgress } from '../submit/progress.ts';

interface MirrorFlags extends ConnectionFlags {
  readonly from?: string;
  readonly to: string;
  readonly keys?: readonly string[];
  readonly filter?: RegExp;
  readonly layout?: 'plain' | 'guix-publish';
  readonly compression?: readonly string[];
  readonly connections: number;
  readonly once?: true;
  readonly check?: true;
  readonly sizes?: true;
  readonly repair?: true;
}

/** Names of items that are shown where something is wrong with many. */
const mostNamed = 20;

export function addMirrorCommand(program: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(program, {
    usage: 'mirror',
    summary: 'Keep a folder that is a plain binary cache of all that the coordinator has',
    more: [
      'Follows what is added and deleted, from where it was when it was ended last, until Ctrl-C. NARs are verified, and gone on with where a',
      'connection was lost. A narinfo is in the folder only while its NAR and all that it refers to are. Any static web server can give the',
      'folder out, and Nix can read it as file://. It has what is of the first store directory of the coordinator; with --layout guix-publish',
      'what is of /gnu/store, for "guix publish --cache=FOLDER" to give out, signed by the coordinator. With --once it ends when it has all, exit code 1 if something could not be had, or the coordinator has not answered for a minute.',
    ].join(' '),
    examples: [
      ['drover mirror --from https://drover.example.org --to /srv/cache', 'all, and whatever comes'],
      [
        'drover mirror --to /srv/cache --once --filter "^(firefox|hello)-"',
        'some items with all that they refer to, then end',
      ],
      [
        'drover mirror --to /srv/publish --layout guix-publish --compression lzip --compression zstd --once',
        'for guix publish -C lzip -C zstd --cache=/srv/publish',
      ],
      ['drover mirror --to /srv/cache --check', 'is the folder what the coordinator serves, byte for byte?'],
    ],
  })
    .option('--from <url>', 'the coordinator; the same as --url')
    .requiredOption('--to <folder>', 'where the cache is to be; made if it is not there')
    .option(
      '--keys <key>',
      'public key (NAME:BASE64), or a file with one: items have to be signed by it; can be repeated',
      gather,
    )
    .option('--filter <pattern>', 'only items whose name, without the hash, matches this regular expression', pattern)
    .addOption(
      new Option('--layout <layout>', 'of the folder: for any web server, or for guix publish --cache').choices([
        'plain',
        'guix-publish',
      ]),
    )
    .addOption(
      new Option(
        '--compression <name>',
        `with --layout guix-publish: ${guixPublishCompressions.join(', ')}, with a level where wanted (gzip:9; zstd if not given); can be repeated, in the order of guix publish`,
      ).argParser(compression),
    )
    .option('--connections <number>', 'files that are fetched at a time', connections, 8)
    .option('--once', 'end when all is there that the coordinator has')
    .option('--check', 'only compare; every byte of the folder is read. Exit code 1 if something differs')
    .option('--sizes', 'with --check or --repair: hold NARs against their size, and read none')
    .option('--repair', 'compare, also where --check is given, fetch again what differs, and end as with --once');
  addConnectionOptions(command);
  onAction(command, context, async (flags: MirrorFlags) => {
    const { from, to, keys, filter, check, repair } = flags;
    const once = flags.once === true || repair === true;
    const { compareMirror } = await import('../../adapters/mirror/compare.ts');
    const { openMirror } = await import('../../adapters/mirror/mirror.ts');
    if (flags.sizes && !check && !repair)
      throw new CliError('sizes-alone', '--sizes goes with --check or --repair', { exitCode: 2 });
    if (flags.compression !== undefined && flags.layout !== 'guix-publish')
      throw new CliError('wrong-use', 'expected --layout guix-publish with --compression', { exitCode: 2 });
    const signal = io.interrupted();
    const { url, token } = connectionOf({ ...flags, ...(from !== undefined && { url: from }) }, io.environment);
    const drover = createDrover({ url, token, signal });
    const wants = (path: string): boolean => filter === undefined || filter.test(path.slice(33));
    const compressions = flags.layout === 'guix-publish' ? (flags.compression ?? ['zstd']) : undefined;
    const form = compressions && { compressions };
    const shared = { drover, folder: resolve(to), wants, connections: flags.connections, ...form };
    using progress = createProgress(io);
    try {
      const compare = async () => {
        progress.begin('comparing');
        const bytes = flags.sizes !== true;
        const { compared, differences } = await compareMirror({ ...shared, bytes, progress: progress.update });
        for (const { item, kind } of differences) io.out(`${kind.padEnd(9)}  ${printable(item)}\n`);
        progress.line(`${plural(compared, 'item')} compared, ${differences.length} differ`);
        return differences;
      };
      if (check && !repair) {
        const differences = await compare();
        if (differences.length === 0) return 0;
        progress.line(
          isFolderHeld(resolve(to))
            ? "a coordinator or a mirror writes to this folder at this moment: where a hook does, 'drover hooks replay NAME --from start' has it fetch again what differs"
            : "'drover mirror --repair' with the same flags fetches again what differs",
        );
        return 1;
      }
      let began = -1;
      let got = 0;
      using mirror = await openMirror({
        ...shared,
        ...(keys !== undefined && { keys: keys.map(keyOf) }),
        signal,
        progress({ wanted, published, bytes }) {
          if (wanted !== began) progress.begin('items', wanted);
          began = wanted;
          got = bytes;
          progress.update(published);
        },
        trouble: (message) => progress.line(printable(message)),
      });
      if (repair) await mirror.repair(await compare());
      const lacking = await mirror.run(once);
      if (signal.aborted) return interruptedCode(signal);
      for (const item of lacking.slice(0, mostNamed)) progress.line(`could not be had: ${item}`);
      const all = plural(Math.max(began, 0), 'item');
      const outcome =
        lacking.length === 0
          ? `${all} complete`
          : `${lacking.length} of ${all} could not be had: see above, or the coordinator lacks what they refer to`;
      progress.line(`${size(got)} fetched, ${outcome}`);
      return lacking.length === 0 ? 0 : 1;
    } catch (error) {
      if (signal.aborted) return interruptedCode(signal);
      if (error instanceof FolderInUse)
        throw new CliError('folder-in-use', printable(error.message), {
          hint: "where it is the coordinator's, a hook writes there: 'drover hooks list' names it",
        });
      if (error instanceof FolderError) throw new CliError('unusable-folder', printable(error.message));
      throw toCliError(error, url);
    }
  });
}

function pattern(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch (error) {
    throw new InvalidArgumentError(`Expected a regular expression: ${(error as Error).message}.`);
  }
}

function connections(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 1 || number > 256)
    throw new InvalidArgumentError(`Expected a number from 1 to 256, got ${JSON.stringify(text)}.`);
  return number;
}

function compression(name: string, before: readonly string[] = []): readonly string[] {
  const all = guixCompressions.safeParse([...before, name]);
  if (all.success) return all.data;
  throw new InvalidArgumentError(`${all.error.issues[0]?.message}, got ${JSON.stringify(name)}.`);
}

/** A key as it is given, or as it is in a file. */
function keyOf(given: string): string {
  try {
    const text = given.includes(':') ? given : readFileSync(given, 'utf8').trim();
    parsePublicKey(text);
    return text;
  } catch (error) {
    const { message } = error as Error;
    const told = given.includes(':')
      ? `--keys ${given}: ${message}`
      : `--keys: expected NAME:BASE64, or a file with that, got ${given}: ${message}`;
    throw new CliError('unusable-key', told, { exitCode: 2 });
  }
}
