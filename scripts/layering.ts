import { globSync, readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { dirname, join, normalize } from 'node:path';

/**
 * Which folder may import which (design, section 4). Biome sees an import as it is spelt, and `../agent/events.ts` is the
 * domain's agent from one folder and the program agent from another; so imports are resolved to files here.
 */
interface Layer {
  /** Files of the layer: a folder with `/` at its end, or one file. The first layer that has a file is the file's. */
  readonly files: readonly string[];
  /** What its files may import of ours, in the same form; `undefined`: anything. */
  readonly mayImport?: readonly string[];
  /** Which of Node's own modules it may import; `undefined`: any. */
  readonly builtins?: readonly string[];
  /** Which packages it may import; `undefined`: any. */
  readonly packages?: readonly string[];
}

const pureBuiltins = ['node:crypto', 'node:buffer', 'node:zlib', 'node:util'];

export const layers: readonly Layer[] = [
  // Runs in browsers too.
  { files: ['client/'], mayImport: ['client/'], builtins: [], packages: [] },
  { files: ['web/'], mayImport: ['web/', 'client/'], builtins: [], packages: ['preact', 'uplot', 'drover/client'] },
  { files: ['cli/', 'test/', 'bench/', 'demo/', 'examples/', 'scripts/'] },
  { files: ['domain/'], mayImport: ['domain/'], builtins: pureBuiltins, packages: ['zod', '@noble/curves'] },
  { files: ['projections/'], mayImport: ['projections/', 'domain/'], builtins: pureBuiltins, packages: ['zod'] },
  {
    files: ['coordinator/ports/'],
    mayImport: ['coordinator/ports/', 'domain/'],
    builtins: pureBuiltins,
    packages: ['zod'],
  },
  { files: ['coordinator/'], mayImport: ['coordinator/', 'projections/', 'domain/'] },
  { files: ['agent/'], mayImport: ['agent/', 'domain/', 'coordinator/ports/', 'coordinator/errors.ts'] },
  {
    files: ['adapters/'],
    mayImport: ['adapters/', 'client/', 'coordinator/', 'agent/', 'projections/', 'domain/'],
  },
  // Composition roots.
  {
    files: ['programs/'],
    mayImport: ['programs/', 'adapters/', 'client/', 'coordinator/', 'agent/', 'projections/', 'domain/'],
  },
];

export interface Violation {
  readonly file: string;
  readonly line: number;
  readonly message: string;
}

const among = (file: string, places: readonly string[]) =>
  places.some((place) => (place.endsWith('/') ? file.startsWith(place) : file === place));

/** `from '…'`, `import '…'` and `import('…')`; an import in a comment counts too, which does no harm. */
const importPattern = /(?:[\w}*]\s+from\s*|\bimport\s*\(?\s*)(['"])([^'"\n]+)\1/g;

/** What one file, named relative to the root, imports against the rules. */
export function checkFile(file: string, text: string): readonly Violation[] {
  const layer = layers.find(({ files }) => among(file, files));
  if (layer === undefined || layer.mayImport === undefined) return [];
  const violations: Violation[] = [];
  for (const match of text.matchAll(importPattern)) {
    const specifier = match[2] as string;
    const message = objection(file, layer, specifier);
    if (message !== undefined) {
      violations.push({ file, line: text.slice(0, match.index).split('\n').length, message });
    }
  }
  return violations;
}

function objection(file: string, layer: Layer, specifier: string): string | undefined {
  const name = layer.files.join(', ');
  if (specifier.startsWith('.')) {
    const target = normalize(join(dirname(file), specifier));
    if (!among(target, layer.mayImport ?? [])) {
      return `${name} may import of ours only ${layer.mayImport?.join(', ')}, not ${target}`;
    }
    return undefined;
  }
  if (specifier.startsWith('node:')) {
    if (layer.builtins === undefined || layer.builtins.includes(specifier)) return undefined;
    return `${name} may import of Node only ${layer.builtins.join(', ')}, not ${specifier}`;
  }
  if (builtinModules.includes(specifier)) return `write node:${specifier}`;
  if (
    layer.packages === undefined ||
    layer.packages.some((allowed) => specifier === allowed || specifier.startsWith(`${allowed}/`))
  ) {
    return undefined;
  }
  return `${name} may import of packages only ${layer.packages.join(', ')}, not ${specifier}`;
}

/** Every violation under `root`. */
export function checkLayers(root: string): readonly Violation[] {
  return globSync('{domain,projections,coordinator,agent,adapters}/**/*.ts', { cwd: root })
    .sort()
    .flatMap((file) => checkFile(file.replaceAll('\\', '/'), readFileSync(join(root, file), 'utf8')));
}
