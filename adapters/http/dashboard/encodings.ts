import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** Codings of RFC 9110, section 8.4.1, and RFC 7932, best first. */
const codings = ['br', 'gzip'] as const;
export type Coding = (typeof codings)[number];

/** Larger files are for debuggers: they are not worth the seconds that brotli takes over them. */
const mostBrotliBytes = 1024 * 1024;

const makers: Readonly<Record<Coding, (bytes: Uint8Array) => Promise<Uint8Array>>> = {
  gzip: (bytes) => promisify(gzip)(bytes, { level: 9 }),
  br: (bytes) => promisify(brotliCompress)(bytes, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
};

/** A file as it is and as browsers take it, each form made once, when it is first asked for. */
export interface EncodedFile {
  /** The best form for an Accept-Encoding header. Brotli takes a second for the first who asks: until it is made there is gzip. */
  encoded(accept: string | undefined): Promise<{ readonly bytes: Uint8Array; readonly coding?: Coding }>;
  /** Resolves once all its forms are made that were begun. */
  made(): Promise<void>;
}

export function encodedFile(bytes: Uint8Array): EncodedFile {
  const ready = new Map<Coding, Uint8Array>();
  const making = new Map<Coding, Promise<void>>();
  function make(coding: Coding): Promise<void> {
    let made = making.get(coding);
    if (made === undefined) {
      // Without memory for it the file goes out as it is.
      made = makers[coding](bytes).then(
        (form) => void ready.set(coding, form),
        () => undefined,
      );
      making.set(coding, made);
    }
    return made;
  }
  return {
    async encoded(accept) {
      const taken = acceptedCodings(accept);
      if (taken.has('br') && bytes.length <= mostBrotliBytes) {
        const made = make('br');
        if (!taken.has('gzip')) await made;
        const form = ready.get('br');
        if (form !== undefined) return smaller(form, 'br');
      }
      if (!taken.has('gzip')) return { bytes };
      await make('gzip');
      const form = ready.get('gzip');
      return form === undefined ? { bytes } : smaller(form, 'gzip');
    },
    async made() {
      await Promise.all(making.values());
    },
  };
  function smaller(form: Uint8Array, coding: Coding): { readonly bytes: Uint8Array; readonly coding?: Coding } {
    return form.length < bytes.length ? { bytes: form, coding } : { bytes };
  }
}

/** The codings that an Accept-Encoding header takes. Source: RFC 9110, section 12.5.3. */
export function acceptedCodings(header: string | undefined): ReadonlySet<Coding> {
  const weights = new Map<string, number>();
  for (const part of (header ?? '').split(',')) {
    const [coding = '', ...parameters] = part.split(';').map((text) => text.trim().toLowerCase());
    const weight = parameters.find((parameter) => parameter.startsWith('q='))?.slice(2);
    weights.set(coding, weight === undefined ? 1 : Number(weight));
  }
  return new Set(codings.filter((coding) => (weights.get(coding) ?? weights.get('*') ?? 0) > 0));
}
