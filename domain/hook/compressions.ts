import * as z from 'zod';

/** In which compressions a folder in the layout of `guix publish` can have its NARs; the first is that of the pool's own files. */
export const guixPublishCompressions = ['zstd', 'none', 'gzip', 'lzip'] as const;
export type GuixPublishCompression = (typeof guixPublishCompressions)[number];

/** As `guix publish --compression` takes it: `gzip`, `gzip:9`. */
export interface GuixCompression {
  readonly method: GuixPublishCompression;
  /** Where it is not said: 3, as of guix publish; what the pool has is taken as it is. */
  readonly level?: number;
}

const text = z
  .string()
  .regex(
    /^(?:none|(?:gzip|lzip)(?::[1-9])?|zstd(?::(?:[1-9]|1[0-9]))?)$/,
    'expected none, gzip, lzip or zstd, where it is to have a level with that, as in gzip:9: 1 to 9, for zstd 1 to 19',
  );

/** Each method once: the URL of a NAR has no level. */
export const guixCompressions = z
  .array(text)
  .max(guixPublishCompressions.length)
  .refine(
    (all) => new Set(all.map((each) => each.split(':')[0])).size === all.length,
    'expected each compression once',
  );

/** @param text of {@link guixCompressions} */
export function guixCompression(text: string): GuixCompression {
  const [method, level] = text.split(':') as [GuixPublishCompression, string?];
  return level === undefined ? { method } : { method, level: Number(level) };
}
