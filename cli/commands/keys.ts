import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { DataDirError } from '../../adapters/data-dir/data-dir-error.ts';
import { guixKeyFormat, newGuixKey } from '../../adapters/data-dir/guix-key.ts';
import { putKeyPair, trustedKey } from '../../adapters/data-dir/key-files.ts';
import { type KeyPair, readKeyPair } from '../../adapters/data-dir/key-pair.ts';
import { readPrivateFile } from '../../adapters/data-dir/private-file.ts';
import { ensureSecretFile } from '../../adapters/data-dir/secret-file.ts';
import { signingKeyFormat } from '../../adapters/data-dir/signing-key.ts';
import { formatGuixSecretKey, parseGuixSecretKey } from '../../domain/guix/keys.ts';
import { FormatError } from '../../domain/store/format-error.ts';
import { generateSigningKey } from '../../domain/store/signature.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { CliError, deniedHint } from '../output/cli-error.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { table } from '../output/table.ts';
import { whileStopped } from '../replay/while-stopped.ts';

const kinds = {
  nix: {
    ...signingKeyFormat,
    make: (name: string) => generateSigningKey(name, randomBytes(32)).secret,
    secretOf: (text: string) => text.trim(),
    isPublic: (text: string) => /^[^:\s]+:[A-Za-z0-9+/]{43}=$/.test(text.trim()),
    replaced: 'what the key before has signed keeps that signature beside one by the new key',
  },
  guix: {
    ...guixKeyFormat,
    make: (_name: string) => newGuixKey(randomBytes),
    secretOf: (text: string) => formatGuixSecretKey(parseGuixSecretKey(text)).trim(),
    isPublic: (text: string) => /^\s*\(public-key\b/.test(text),
    // A narinfo of Guix has one signature.
    replaced:
      'all is signed by the new key alone from the next start on: clients and agents that trust only the one before fetch nothing until it is authorized there, too',
  },
} as const;
type Format = keyof typeof kinds;

interface Flags extends OutputFlags {
  readonly data: string;
  readonly format: Format;
}
interface GenerateFlags extends Omit<Flags, 'data'> {
  readonly data?: string;
  readonly to?: string;
  readonly name: string;
}
interface ImportFlags extends Flags {
  readonly replace?: true;
}
interface ExportFlags extends Flags {
  readonly secret?: true;
  readonly to?: string;
}

const dataFlag = ['--data <dir>', "the coordinator's data folder"] as const;
const formatOption = (): Option =>
  new Option('--format <format>', 'whose key: that of the cache for Nix, or for Guix')
    .choices(Object.keys(kinds))
    .makeOptionMandatory();

export function addKeysCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const keys = addGroup(program, {
    usage: 'keys',
    summary: 'List, make, import and export the keys that sign the cache',
    more: 'Keys are in the files of Nix (NAME:BASE64) and of Guix (an S-expression). A coordinator reads them when it starts. No secret key is ever printed.',
    examples: [['drover keys export --format guix --data /var/lib/drover | guix archive --authorize', 'trust a farm']],
  });

  const list = addCommand(keys, {
    usage: 'list',
    summary: 'List the public keys of a data folder',
    examples: [['drover keys list --data /var/lib/drover', 'both, with the files that they are in']],
  }).requiredOption(...dataFlag);
  onAction(addOutputOptions(list), context, async ({ data, ...flags }: Flags) => {
    const dir = folderOf(data);
    const rows: { format: Format; publicKey: string; file: string }[] = [];
    for (const format of Object.keys(kinds) as Format[]) {
      const held = await explained(() => readKeyPair(dir, kinds[format]));
      if (held) rows.push({ format, publicKey: held.publicKey, file: dir.file(`${kinds[format].file}.pub`) });
    }
    const columns = [
      { title: 'FORMAT', value: (row: (typeof rows)[number]) => row.format },
      { title: 'KEY', value: (row: (typeof rows)[number]) => inOneLine(row.publicKey), whole: true },
      { title: 'FILE', value: (row: (typeof rows)[number]) => row.file, minor: true },
    ] as const;
    await print(io, flags, {
      value: { rows },
      names: rows.map(({ format }) => format),
      text: (view) =>
        table(rows, columns, { ...view, empty: 'No keys: the first start of the coordinator makes them.' }),
    });
  });

  const generate = addCommand(keys, {
    usage: 'generate',
    summary: 'Make a key pair, in a data folder that has none of its format or in files',
    examples: [
      ['drover keys generate --format guix --to signing-key', 'signing-key.sec and signing-key.pub'],
      ['drover keys generate --format nix --name cache.example.org-1 --data /var/lib/drover', 'before the first start'],
    ],
  })
    .addOption(formatOption())
    .option(...dataFlag)
    .option('--to <files>', 'files to make, without .sec and .pub at the end')
    .option('--name <name>', 'name of a key of Nix; keys of Guix have none', 'drover-1');
  onAction(addOutputOptions(generate, { names: false }), context, async (wish: GenerateFlags) => {
    const { format, data, to, name, ...flags } = wish;
    if ((data === undefined) === (to === undefined))
      throw new CliError('invalid-request', 'expected one of --data and --to', { exitCode: 2 });
    const kind = kinds[format];
    const secretKey = await explained(async () => kind.make(name), '--name');
    const pair = { secretKey, publicKey: kind.publicOf(secretKey) };
    const made = data === undefined ? filesTo(to as string) : folderOf(data);
    const base = data === undefined ? '' : kind.file;
    await whileStopped(data, () =>
      explained(async () => {
        for (const ending of ['sec', 'pub'])
          if (existsSync(made.file(`${base}.${ending}`))) throw existing(made.file(`${base}.${ending}`));
        await putKeyPair(made, { file: base }, pair);
      }),
    );
    await print(io, flags, {
      value: { format, publicKey: pair.publicKey, files: [made.file(`${base}.sec`), made.file(`${base}.pub`)] },
      text: () => `${made.file(`${base}.sec`)} and ${made.file(`${base}.pub`)} are made\n${pair.publicKey}\n`,
    });
  });

  addImportCommand(keys, context);
  addExportCommand(keys, context);
}

function addImportCommand(keys: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(keys, {
    usage: 'import <file>',
    summary: 'Sign with a key that there is already, from the file of its secret half',
    more: 'So clients of another cache need not trust another key. The coordinator has to be stopped. For Nix, what was signed before keeps its signature, and what is asked for is signed by the new key as well. For Guix, whose narinfos have one signature, all is signed by the new one: have clients and agents authorize it before.',
    examples: [
      ['drover keys import /etc/guix/signing-key.sec --format guix --data /var/lib/drover', 'that of guix publish'],
      [
        'drover keys import cache.sec --format nix --data /var/lib/drover --replace',
        'instead of the one that is there',
      ],
    ],
  })
    .addOption(formatOption())
    .requiredOption(...dataFlag)
    .option('--replace', 'also where there is another key, which is kept beside it with a number at its end');
  onAction(addOutputOptions(command, { names: false }), context, async (file: string, wish: ImportFlags) => {
    const { data, format, replace, ...flags } = wish;
    const kind = kinds[format];
    const dir = folderOf(data);
    const given = await readFile(file, 'utf8').catch(() => '');
    if (kind.isPublic(given))
      throw new CliError('unusable-key', `${file}: expected a secret key, got the public half of one`, {
        hint: 'the other half is in a file that ends in .sec, which only its owner can read',
      });
    const text = await explained(() => readPrivateFile(file), file);
    const pair = await explained(async (): Promise<KeyPair> => {
      const secretKey = kind.secretOf(text);
      return { secretKey, publicKey: kind.publicOf(secretKey) };
    }, file);
    const before = await whileStopped(data, async () => {
      const trusted = await explained(() => trustedKey(dir, kind), dir.file(`${kind.file}.pub`));
      const secretFile = dir.file(`${kind.file}.sec`);
      const isOther = trusted === undefined ? existsSync(secretFile) : trusted !== pair.publicKey;
      if (isOther && !replace)
        throw new CliError(
          'key-exists',
          `${secretFile}: expected no other key, got ${trusted === undefined ? 'one' : inOneLine(trusted)}, which ${kind.trustedBy} trust`,
          { hint: '--replace puts this one in its place and keeps that one beside it' },
        );
      return explained(() => putKeyPair(dir, kind, pair));
    });
    await print(io, flags, {
      value: { format, publicKey: pair.publicKey, ...(before !== undefined && { before }) },
      text: () =>
        `the next start signs with ${inOneLine(pair.publicKey)}\n${before === undefined ? '' : `the key before is in ${before}; ${kind.replaced}\n`}`,
    });
  });
}

function addExportCommand(keys: Command, context: CommandContext): void {
  const { io } = context;
  const command = addCommand(keys, {
    usage: 'export',
    summary: 'Print the public key, or write a key to a file',
    examples: [
      [
        'drover keys export --format guix --data /var/lib/drover | guix archive --authorize',
        'trust it on this machine',
      ],
      ['drover keys export --format nix --data /var/lib/drover --secret --to cache.sec', 'the secret half'],
    ],
  })
    .addOption(formatOption())
    .requiredOption(...dataFlag)
    .option('--secret', 'the secret key instead, which only goes to a file')
    .option('--to <file>', 'file to make; one that is there is left alone');
  onAction(command, context, async ({ data, format, secret, to }: ExportFlags) => {
    if (secret && to === undefined)
      throw new CliError('invalid-request', '--secret: expected --to FILE, as no secret key is printed', {
        exitCode: 2,
      });
    const kind = kinds[format];
    const dir = folderOf(data);
    const held = await explained(() => readKeyPair(dir, kind));
    if (held === undefined)
      throw new CliError('not-found', `${dir.file(`${kind.file}.sec`)}: expected a key, got no file`, {
        hint: 'the first start of a coordinator makes it; drover keys generate does before',
      });
    const text = `${secret ? held.secretKey : held.publicKey}\n`;
    if (to === undefined) return io.out(text);
    const { created } = await explained(() => ensureSecretFile(to, () => text, secret ? 0o600 : 0o644));
    if (!created && (await readFile(to, 'utf8')) !== text) throw existing(to);
    return io.out(`${to} has the ${secret ? 'secret' : 'public'} key\n`);
  });
}

function folderOf(data: string): { file(name: string): string } {
  const dir = resolve(data);
  if (!existsSync(dir)) throw new CliError('not-found', `expected a data folder, got no ${dir}`, { exitCode: 2 });
  return { file: (name) => join(dir, name) };
}

/** Files beside each other: `.sec` and `.pub` after what was named. */
function filesTo(to: string): { file(name: string): string } {
  return { file: (name) => resolve(to) + name };
}

const existing = (file: string): CliError =>
  new CliError('key-exists', `${file}: expected no file, got one, which is left alone`);

const inOneLine = (publicKey: string): string => publicKey.replace(/\s+/g, ' ');

/** What is wrong with a file, as something that the user is told. @param file named before what is wrong with a text */
async function explained<Value>(body: () => Promise<Value>, file?: string): Promise<Value> {
  try {
    return await body();
  } catch (error) {
    if (error instanceof DataDirError) throw new CliError(error.code, error.message, { cause: error });
    const named = file === undefined ? '' : `${file}: `;
    if (error instanceof FormatError) throw new CliError('unusable-key', `${named}${error.message}`, { cause: error });
    if (error instanceof Error && 'syscall' in error) {
      const hint = (error as NodeJS.ErrnoException).code === 'EACCES' ? deniedHint : undefined;
      throw new CliError('unreadable', `${named}${error.message}`, { hint, cause: error });
    }
    throw error;
  }
}
