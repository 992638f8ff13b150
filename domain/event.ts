import * as z from 'zod';
import { quickPattern } from './quick-pattern.ts';
import { isBaseName } from './store/store-path.ts';

/**
 * The shape of every kind of event and the table that names them all.
 *
 * An event type is declared once, with a zod schema per schema version. `data` of older versions is brought
 * to the newest one by the upcaster of each step, so the rest of the code sees the newest version only.
 */
export interface EventType<Type extends string = string, Schema extends z.ZodType = z.ZodType> {
  readonly type: Type;
  /** Newest schema version; versions count from 1. */
  readonly version: number;
  /** Schema of `data` in the newest version. */
  readonly schema: Schema;
  /** `upcasters[n]` turns `data` of version n + 1 into version n + 2. */
  readonly upcasters: readonly ((data: unknown) => unknown)[];
  /** One sentence for docs/events.md: when it happens. */
  readonly when: string;
  /** Fields of `data` that are derived from a secret: only tokens of scope `admin` get to see them. */
  readonly adminOnly: readonly string[];
}

/** What a decider returns: a fact that is not yet on a stream. */
export interface DomainEvent<Type extends string = string, Data = unknown> {
  readonly type: Type;
  readonly data: Data;
}

/** The event value that belongs to an {@link EventType}. */
export type EventOf<T> = T extends EventType<infer Type, infer Schema> ? DomainEvent<Type, z.infer<Schema>> : never;

export function defineEvent<const Type extends string, Schema extends z.ZodType>(
  type: Type,
  when: string,
  schema: Schema,
  upcasters: readonly ((data: unknown) => unknown)[] = [],
  { adminOnly = [] }: { readonly adminOnly?: readonly string[] } = {},
): EventType<Type, Schema> {
  return { type, version: upcasters.length + 1, schema, upcasters, when, adminOnly };
}

/** A wish is either granted as events (none: nothing to do) or refused with a code from `domain/refusal.ts`. */
export type Decision<Event extends DomainEvent, Refusal> =
  | { readonly events: readonly Event[]; readonly refused?: undefined }
  | { readonly refused: Refusal; readonly events?: undefined };

/** Base name of a store path: `<32 nix-base32 characters>-<name>`. */
export const baseName = z
  .string()
  .regex(
    quickPattern(/^[0-9abcdfghijklmnpqrsvwxyz]{32}-[0-9a-zA-Z+\-._?=]{1,211}$/, isBaseName),
    'expected <hash>-<name>',
  );
/** A store directory that is not the first one of the coordinator; absent: it is. Base names of two store directories are never the same: their hashes are made of it. */
export const otherStoreDir: z.ZodOptional<z.ZodString> = z.string().min(2).max(1024).optional();
/** `sha256:<52 nix-base32 characters>`. */
export const sha256Text = z.string().regex(/^sha256:[0-9abcdfghijklmnpqrsvwxyz]{52}$/, 'expected sha256:<nix-base32>');
export const count = z.int().min(0);
/** Milliseconds since the Unix epoch. */
export const instant = z.int().min(0);
export const identifier = z.string().regex(/^[0-9a-zA-Z][0-9a-zA-Z._-]{0,63}$/, 'expected up to 64 of [0-9a-zA-Z._-]');
export const shortText = z.string().max(4096);
const tagKey = '[0-9a-zA-Z][0-9a-zA-Z._/-]{0,63}';
export const tags = z.record(z.string().regex(new RegExp(`^${tagKey}$`)), z.string().max(256));
export type Tags = Readonly<z.infer<typeof tags>>;
/** `key` or `key=value`: what is asked for of {@link tags}. */
export const tagTerm = z
  .string()
  .regex(
    new RegExp(`^${tagKey}(?:=[^]{0,256})?$`),
    'expected key or key=value, a key of up to 64 of [0-9a-zA-Z._/-] and a value of up to 256 characters',
  );
