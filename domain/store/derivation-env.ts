import { maxJsonDepth } from '../limits.ts';
import type { Derivation } from './derivation-shape.ts';
import { excerpt, FormatError } from './format-error.ts';
import { jsonDepth } from './json-depth.ts';

/** Attributes of a derivation that tell a scheduler or an agent how it wants to be built. */
export interface DerivationEnv {
  /** Whether the attributes are in `__json` (structured attributes) rather than in plain variables. */
  readonly structured: boolean;
  /** In byte order, without duplicates. */
  readonly requiredSystemFeatures: readonly string[];
  readonly preferLocalBuild: boolean;
  readonly allowSubstitutes: boolean;
  /** Variables that a fixed-output builder takes over from its surroundings, for example `http_proxy`. */
  readonly impureEnvVars: readonly string[];
}

/**
 * Reads them from the environment, or from `__json` where that is present.
 *
 * @throws FormatError `malformed-derivation` when `__json` is not a JSON object or an attribute has the wrong type.
 */
export function readDerivationEnv(derivation: Derivation): DerivationEnv {
  const plain = new Map<string, string>();
  for (const [key, value] of derivation.env) {
    if (key === '__json') return fromJson(value);
    if (wanted.has(key)) plain.set(key, value);
  }
  return {
    structured: false,
    requiredSystemFeatures: sortedSet(words(plain.get('requiredSystemFeatures'))),
    preferLocalBuild: plain.get('preferLocalBuild') === '1',
    allowSubstitutes: (plain.get('allowSubstitutes') ?? '1') === '1',
    impureEnvVars: words(plain.get('impureEnvVars')),
  };
}

const wanted: ReadonlySet<string> = new Set([
  'requiredSystemFeatures',
  'preferLocalBuild',
  'allowSubstitutes',
  'impureEnvVars',
]);

function fromJson(byteString: string): DerivationEnv {
  let attributes: unknown;
  const depth = jsonDepth(byteString);
  if (depth > maxJsonDepth) throw malformed(`expected __json with nesting of at most ${maxJsonDepth}, got ${depth}`);
  try {
    attributes = JSON.parse(Buffer.from(byteString, 'latin1').toString('utf8'));
  } catch (cause) {
    throw malformed(`expected JSON in __json, got ${excerpt(byteString)} (${(cause as Error).message})`);
  }
  if (typeof attributes !== 'object' || attributes === null || Array.isArray(attributes)) {
    throw malformed(`expected a JSON object in __json, got ${excerpt(byteString)}`);
  }
  const known = new Map(Object.entries(attributes));
  return {
    structured: true,
    requiredSystemFeatures: sortedSet(strings(known, 'requiredSystemFeatures')),
    preferLocalBuild: boolean(known, 'preferLocalBuild', false),
    allowSubstitutes: boolean(known, 'allowSubstitutes', true),
    impureEnvVars: strings(known, 'impureEnvVars'),
  };
}

function strings(attributes: ReadonlyMap<string, unknown>, name: string): string[] {
  const value = attributes.get(name) ?? [];
  if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value;
  throw malformed(`expected a list of strings in __json.${name}, got ${excerpt(JSON.stringify(value))}`);
}

function boolean(attributes: ReadonlyMap<string, unknown>, name: string, otherwise: boolean): boolean {
  const value = attributes.get(name) ?? otherwise;
  if (typeof value === 'boolean') return value;
  throw malformed(`expected true or false in __json.${name}, got ${excerpt(JSON.stringify(value))}`);
}

function words(text: string | undefined): string[] {
  return text === undefined ? [] : text.split(/[ \t\n\r]+/).filter((word) => word !== '');
}

function sortedSet(items: readonly string[]): string[] {
  return [...new Set(items)].sort();
}

function malformed(message: string): FormatError {
  return new FormatError('malformed-derivation', message);
}
