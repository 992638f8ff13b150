import { readFile } from 'node:fs/promises';
import { parseAcl, parseGuixPublicKey } from '../../domain/guix/keys.ts';
import { parseSExpression, type SExpression } from '../../domain/guix/s-expression.ts';
import { parsePublicKey } from '../../domain/store/signature.ts';
import { CliError } from '../output/cli-error.ts';

/** Keys by which what a cache says is believed. */
export interface TrustedKeys {
  /** As `trusted-public-keys` has them: `NAME:BASE64`. */
  readonly nix: readonly string[];
  /** As the list of Guix has them. */
  readonly guix: readonly SExpression[];
}

/** Reads the values of `--trusted-key`: `NAME:KEY` of Nix, or a file with a public key of Guix, or with its list of keys (`/etc/guix/acl`). */
export async function readTrustedKeys(values: readonly string[]): Promise<TrustedKeys> {
  const nix: string[] = [];
  const guix: SExpression[] = [];
  for (const value of values) {
    const text = await readFile(value, 'utf8').catch(() => undefined);
    try {
      if (text === undefined) {
        parsePublicKey(value);
        nix.push(value);
      } else guix.push(...keysOf(text));
    } catch (error) {
      const where = text === undefined ? '' : `${value}: `;
      throw new CliError('wrong-use', `--trusted-key: ${where}${(error as Error).message}`, {
        hint: text === undefined ? 'or a file with a key of Guix, like /etc/guix/acl' : undefined,
        exitCode: 2,
      });
    }
  }
  return { nix, guix };
}

function keysOf(text: string): readonly SExpression[] {
  if (/^\s*\(\s*acl\b/.test(text)) return parseAcl(text);
  parseGuixPublicKey(text);
  return [parseSExpression(text)];
}
