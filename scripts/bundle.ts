/**
 * The program as JavaScript in few files, with most packages in it: half of the processor time of a start is Node's, for finding, reading and
 * linking a thousand modules. See docs/decisions/0052-one-program-in-few-files.md.
 */
import { globSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';
import { type BuildOptions, build, type Plugin } from 'esbuild';

/** What few processes load, and late: these stay packages. The last is native, and done without. */
const externalPackages = ['@eventstore/*', '@opentelemetry/*', 'nats', 'nodemailer', 'msgpackr-extract'];

/** Commands that are servers: each is a program of its own, which shares no files with the others, so that its parts can be fewer and larger. */
const servers = ['coordinator', 'agent'];

const command = 'cli/main.ts';
/** Loaded first. */
const stacks = 'adapters/runtime/source-stacks.ts';
/** Where each command is loaded when it is the one. */
const commands = 'cli/commands/all.ts';
/** What is read at run time, where it lies beside the code. */
const read = ['cli/completion/tree.ndjson'];

export interface Bundle {
  /** Texts by their paths in the folder of the program. `cli/main.js` is the command. */
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  /** Folders of the packages that are in it, relative to the root. */
  readonly packages: readonly string[];
}

/** @param root of the clone */
export async function bundle(root: string): Promise<Bundle> {
  const files = new Map<string, string | Uint8Array>();
  const inputs: string[] = [];
  /** The names of the files that the entries have become. */
  async function add(entries: readonly string[], options: BuildOptions): Promise<ReadonlyMap<string, string>> {
    const { outputFiles, metafile } = await build({
      ...common(root),
      ...options,
      entryPoints: entries.map((entry) => ({ in: entry, out: entry.replace(/\.ts$/, '').replaceAll('/', '-') })),
      metafile: true,
      write: false,
    });
    for (const { path, contents } of outputFiles) files.set(basename(path), contents);
    inputs.push(...Object.keys(metafile.inputs));
    return new Map(Object.entries(metafile.outputs).map(([path, { entryPoint = '' }]) => [entryPoint, basename(path)]));
  }
  const sources = new Map(
    globSync('{adapters,agent,cli,coordinator,domain,programs,projections}/**/*.ts', { cwd: root })
      .sort()
      .map((file) => [file, readFileSync(join(root, file), 'utf8')]),
  );
  const place = placeOfSource(root, sources);
  const program = async (name: string) =>
    (await add([command], { splitting: true, plugins: [place, commandsOf(root, name)] })).get(command);

  const threads = [...sources].flatMap(([file, text]) => programsBeside(file, text));
  const [shorts, longs, alone] = await Promise.all([
    program('drover'),
    Promise.all(servers.map(async (name) => [name, `../${await program(name)}`] as const)),
    // Each in one file, whatever others have of it too.
    add([stacks, ...threads], { plugins: [place] }),
  ]);
  const first = alone.get(stacks) as string;
  files.set(
    made(command),
    [
      '#!/usr/bin/env node',
      `import '../${first}';`,
      `const programs = ${JSON.stringify(Object.fromEntries(longs))};`,
      'const [, , name] = process.argv;',
      `await import(Object.hasOwn(programs, name) ? programs[name] : '../${shorts}');`,
      '',
    ].join('\n'),
  );
  for (const thread of threads) {
    const imports = [first, alone.get(thread) as string].map((file) => relative(dirname(thread), file));
    files.set(made(thread), imports.map((file) => `import '${file}';\n`).join(''));
  }
  for (const path of read) files.set(path, readFileSync(join(root, path)));
  const { name, version, type } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  files.set('package.json', `${JSON.stringify({ name, version, type, private: true }, undefined, 2)}\n`);
  return { files, packages: packagesOf(inputs) };
}

/** What a file of the sources is called in the program. */
const made = (file: string): string => file.replace(/\.ts$/, '.js');

const common = (root: string): BuildOptions => ({
  absWorkingDir: root,
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  outdir: 'program',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node24',
  external: externalPackages,
  // The maps name the files and lines of the sources, without their texts.
  sourcemap: 'linked',
  sourcesContent: false,
  legalComments: 'none',
  // A third less to read at each start. Names stay, for stacks.
  minifyWhitespace: true,
  minifySyntax: true,
  banner: { js: requireForPackages },
  logLevel: 'warning',
});

/** The files beside `file` that it starts as threads or processes. */
function programsBeside(file: string, text: string): string[] {
  return [...text.matchAll(/moduleBeside\(\s*'([^']+)'/g)].map(
    ([, name]) => `${join(dirname(file), name as string)}.ts`,
  );
}

/** Packages of CommonJS ask for modules of Node by `require`. */
const requireForPackages =
  "import { createRequire as createRequireOfNode } from 'node:module'; const require = createRequireOfNode(import.meta.url);";

/**
 * Has what asks for its own place be told the one that it would have as a file of its own: all that is made of it is in the folder of the program,
 * where threads and what is read lie as they do in the clone.
 */
function placeOfSource(root: string, sources: ReadonlyMap<string, string>): Plugin {
  const asking = [...sources].filter(([, text]) => text.includes('import.meta.url'));
  const texts = new Map(asking.map(([file, text]) => [join(root, file), { file, text }]));
  // esbuild reads all others itself, in a fraction of the time.
  const filter = new RegExp(`/(?:${asking.map(([file]) => file.replaceAll('.', '\\.')).join('|')})$`);
  return {
    name: 'place of source',
    setup({ onLoad }) {
      onLoad({ filter }, ({ path }) => {
        const source = texts.get(path);
        if (source === undefined) return;
        const place = JSON.stringify(`./${made(source.file)}`);
        const contents = source.text.replaceAll('import.meta.url', `new URL(${place}, import.meta.url).href`);
        return { loader: 'ts', contents };
      });
    },
  };
}

/** Leaves out what is another program: it is not loaded there. */
const commandsOf = (root: string, role: string): Plugin => ({
  name: 'commands of a program',
  setup({ onResolve }) {
    onResolve({ filter: /^\.\/[\w-]+\.ts$/ }, ({ path, kind, importer }) => {
      if (kind !== 'dynamic-import' || relative(root, importer) !== commands) return undefined;
      const name = basename(path, '.ts');
      return servers.includes(role) && name !== role ? { path, external: true } : undefined;
    });
  },
});

export function packagesOf(inputs: readonly string[]): string[] {
  const folders = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path) ?? []);
  return [...new Set(folders)].sort();
}
