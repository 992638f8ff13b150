/** In which compressions a folder in the layout of `guix publish` can have its NARs; the first is that of the pool's own files. */
export const guixPublishCompressions = ['zstd', 'none', 'gzip', 'lzip'] as const;
export type GuixPublishCompression = (typeof guixPublishCompressions)[number];
