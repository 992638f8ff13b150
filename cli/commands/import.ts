import type { Command } from 'commander';
import { guixStoreDir } from '../../domain/guix/store-dir.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { addConnectionOptions, type ConnectionFlags, connect, connectPlainly } from '../http/connection.ts';
import { storeDirOf } from '../http/store-dir.ts';
import { CliError } from '../output/cli-error.ts';
import { interruptedCode } from '../output/io.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { plural, printable } from '../output/text.ts';
import { createProgress } from '../submit/progress.ts';

interface ImportFlags extends ConnectionFlags, OutputFlags {
  readonly from: string;
  readonly trustedKey?: readonly string[];
  readonly checkSigs: boolean;
  readonly narHerder?: string;
}

interface CoordinatorFlags extends ConnectionFlags, OutputFlags {
  readonly as: string;
  readonly history: boolean;
  readonly queue: boolean;
  readonly dryRun?: boolean;
  readonly storeRoot?: string;
  readonly derivations?: string;
}

export function addImportCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const group = addGroup(program, {
    usage: 'import',
    summary: 'Take over what another cache has',
    examples: [['drover import nars --from /srv/cache --no-check-sigs', 'all of a folder']],
  });
  const command = addCommand(group, {
    usage: 'nars [path...]',
    summary: 'Put narinfos and NARs of another binary cache into the pool',
    more: [
      'From a folder, as "nix copy --to file://" makes it or "guix publish --cache" fills it, all is taken, or the named store paths with all that they refer to; so it is',
      'from the collection of a nar-herder. From a cache over HTTP, which has no list, paths have to be named. What is not content-addressed has to be signed by a --trusted-key. Each NAR is verified by the coordinator and signed by the key',
      'of the pool alone; it needs a token of scope push or admin. When it was interrupted, the same command again goes on. Exit code 1 if something was refused.',
    ].join(' '),
    examples: [
      ['drover import nars --from /srv/cache --trusted-key NAME:KEY', 'a folder, as far as that key signed it'],
      [
        'drover import nars --from https://cache.example.org --trusted-key NAME:KEY /nix/store/HASH-hello-2.12',
        'a closure',
      ],
      [
        'drover import nars --from /var/cache/guix/publish --trusted-key /etc/guix/acl',
        'what guix publish has baked, as far as the keys that Guix trusts here signed it',
      ],
      [
        'drover import nars --from https://ci.guix.gnu.org --trusted-key ci.pub /gnu/store/HASH-hello-2.12',
        'a closure of Guix',
      ],
      ['drover import nars --from /srv/nars --nar-herder nar_herder.db --trusted-key bordeaux.pub', 'a nar-herder'],
    ],
  })
    .requiredOption('--from <cache>', 'a folder, file:///DIR or https://…')
    .option('--nar-herder <database>', 'narinfos of this database of a nar-herder, whose --storage is --from')
    .option(
      '--trusted-key <key>',
      'a public key, as trusted-public-keys has it, or a file with one of Guix or a list of those; can be repeated',
      (key: string, before: readonly string[] = []) => [...before, key],
    )
    .option('--no-check-sigs', 'take also what nobody has signed');
  addConnectionOptions(addOutputOptions(command));
  onAction(command, context, async (paths: readonly string[], flags: ImportFlags) => {
    const { trustedKey, checkSigs } = flags;
    if (checkSigs && trustedKey === undefined)
      throw new CliError('wrong-use', 'expected --trusted-key, or --no-check-sigs to take what nobody has signed', {
        exitCode: 2,
      });
    const signal = io.interrupted();
    const { openNarSource } = await import('../push/nar-source.ts');
    const { readNarinfos } = await import('../push/import-nars.ts');
    const { missingItems, namesPerQuestion, sendItems } = await import('../push/send-items.ts');
    const { refusalLine, sendReport } = await import('../push/report.ts');
    const { readTrustedKeys } = await import('../push/trusted-keys.ts');
    const keys = checkSigs ? await readTrustedKeys(trustedKey ?? []) : undefined;
    const source = openNarSource(flags.from, flags.narHerder);
    if (paths.length === 0 && source.list === undefined)
      throw new CliError('wrong-use', 'a cache over HTTP has no list: name the store paths that are to be taken', {
        exitCode: 2,
      });
    const client = connect(flags, io, { signal, repeatable: true });
    try {
      const first = await storeDirOf(client);
      const storeDir = source.storeDir ?? (paths.some(isOfGuix) ? guixStoreDir : first);
      const isOther = storeDir !== first;
      const wanted = paths.length > 0 ? paths.map(hashPartOf) : (source.list?.() ?? []);
      using progress = createProgress(io);
      progress.begin('narinfos read');
      using read = await readNarinfos(source, wanted, { storeDir, isOther, keys, signal, onRead: progress.update });
      for (const refusal of read.refused) progress.line(refusalLine(refusal));
      const lacking: number[] = [];
      progress.begin('items asked for', read.size);
      for (let start = 0; start < read.size; start += namesPerQuestion) {
        const places = read.order.subarray(start, start + namesPerQuestion);
        const names = Array.from(places, read.name);
        const missing = await missingItems(client, names, signal);
        for (const [index, name] of names.entries()) if (missing.has(name)) lacking.push(places[index] as number);
        progress.update(start + names.length);
      }
      progress.begin('items sent', lacking.length);
      const { sent, refused } = await sendItems(client, lacking.values().map(read.item), {
        signal,
        onDone: progress.update,
        onRefused: (refusal) => progress.line(refusalLine(refusal)),
        onTrouble: progress.line,
      });
      const result = { sent, refused: [...read.refused, ...refused] };
      await print(io, flags, sendReport(result, read.size - lacking.length));
      return result.refused.length === 0 ? 0 : 1;
    } catch (error) {
      if (!signal.aborted) throw error;
      io.err('Interrupted. What was sent until then is there; the same command again goes on.\n');
      return interruptedCode(signal);
    } finally {
      source[Symbol.dispose]?.();
    }
  });

  const coordinator = addCommand(group, {
    usage: 'guix-build-coordinator <database>',
    summary: 'Take over history and queue of a Guix Build Coordinator',
    more: [
      'Reads its SQLite database, which nothing is written to and which may be in use. Builds that have ended are recorded as what that coordinator tells: they are shown with the builds',
      'of their derivation, and estimates go by how long they took; no output is available for them. That needs a token of scope admin.',
      'Builds that are neither processed nor canceled are submitted, with derivations from the store of this machine: a submission',
      'for each priority, each build with its tags, imported-from=guix-build-coordinator and imported-build=UUID. What was taken over before is left alone, so the same command again goes on.',
      'What was built is taken by "drover import nars". Rows that cannot be read are counted, with the reason. Exit code 1 if a derivation was nowhere.',
    ].join(' '),
    examples: [
      [
        'drover import guix-build-coordinator guix_build_coordinator.db',
        'a copy of /var/lib/guix-build-coordinator/guix_build_coordinator.db, or that itself',
      ],
      ['drover import guix-build-coordinator guix_build_coordinator.db --dry-run', 'what it would take'],
    ],
  })
    .option('--no-history', 'only the queue')
    .option('--no-queue', 'only the history')
    .option('--as <name>', 'what the other coordinator is called in the history', 'guix-build-coordinator')
    .option('--derivations <dir>', 'a folder of .drv files, in place of the store')
    .option('--store-root <dir>', 'a chroot store: /gnu/store is at DIR/gnu/store')
    .option('--dry-run', 'only say what would be taken');
  addConnectionOptions(addOutputOptions(coordinator));
  onAction(coordinator, context, async (file: string, flags: CoordinatorFlags) => {
    const { openCoordinatorDatabase } = await import('../import/guix-build-coordinator.ts');
    const { count, sendHistory } = await import('../import/send-history.ts');
    const { submitQueue } = await import('../import/submit-queue.ts');
    const { openDerivationSource } = await import('../submit/derivation-source.ts');
    const { refusalLine } = await import('../push/report.ts');
    const signal = io.interrupted();
    const { storeRoot, derivations: folder, dryRun = false } = flags;
    using database = openCoordinatorDatabase(file);
    // Before anything is taken: whether all is there that is read.
    const { queued, ended, tagsLeft, skipped } = database.queue();
    const pages = flags.history ? database.history() : undefined;
    const client = connect(flags, io, { signal, repeatable: true });
    using progress = createProgress(io);
    const steady = connectPlainly(flags, io);
    const source = openDerivationSource({ storeDir: guixStoreDir, storeRoot, folder });
    try {
      progress.begin('earlier builds', ended);
      const history = pages
        ? await sendHistory(pages, { client, source: flags.as, dryRun, onDone: progress.update, signal })
        : undefined;
      const odd = new Map(Object.entries(history?.odd ?? {}));
      if (flags.queue) count(odd, skipped);
      const taken = flags.queue
        ? await submitQueue(queued, { client, steady, source, progress, signal, dryRun })
        : undefined;
      if (taken)
        for (const tag of tagsLeft) progress.line(printable(`a tag that cannot be one here is left out: ${tag}`));
      for (const refusal of taken?.refused ?? []) progress.line(refusalLine(refusal));
      for (const [reason, n] of odd) progress.line(printable(`${plural(n, 'row')}: ${reason}`));
      const parts: string[] = [];
      const would = dryRun ? ' would be' : '';
      if (taken) parts.push(`${plural(taken.imported, 'build')}${would} taken over`, `${taken.present} before`);
      if (history)
        parts.push(`${plural(history.recorded, 'earlier build')}${would} recorded`, `${history.present} before`);
      if (taken && taken.available > 0) parts.splice(1, 0, `${taken.available} available already`);
      if (taken && taken.refused.length > 0) parts.push(`${taken.refused.length} refused`);
      await print(io, flags, {
        value: { ...taken, ...(history && { history }), ended, tagsLeft, odd: Object.fromEntries(odd), dryRun },
        text: () => `${parts.join(', ')}\n`,
        names: taken?.submissions ?? [],
      });
      return (taken?.refused.length ?? 0) === 0 ? 0 : 1;
    } catch (error) {
      if (!signal.aborted) throw error;
      io.err('Interrupted. What was taken over until then is there; the same command again goes on.\n');
      return interruptedCode(signal);
    }
  });
}

const isOfGuix = (path: string): boolean => path.startsWith(`${guixStoreDir}/`);

function hashPartOf(path: string): string {
  const hashPart = /(?:^|\/)([0-9a-df-np-sv-z]{32})-[^/]+\/?$/.exec(path)?.[1];
  if (hashPart !== undefined) return hashPart;
  throw new CliError('wrong-use', `expected a store path, got ${path}`, { exitCode: 2 });
}
