import * as z from 'zod';
import { guixCompressions } from './compressions.ts';

/** Characters of a command with all its arguments: with the rest of a definition it fits into a commit, however it is escaped. */
const longestCommand = 32 * 1024;

const argument = z
  .string()
  .max(longestCommand)
  .refine((text) => !text.includes('\0'), 'expected a text without NUL');
const webUrl = z
  .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
  .max(2048)
  .refine((url) => !/^[^/]*\/\/[^/?#]*@/.test(url), 'expected a URL without user and password');
/** On the coordinator's machine. */
const file = z.string().min(1).max(4096);
/** Whether addresses of private networks and of the machine itself are allowed. */
const allowPrivate = z.boolean();

export const commandTarget = z.strictObject({
  kind: z.literal('command'),
  /** A text for `/bin/sh -c`, or a program and its arguments. */
  run: z.union([
    argument.min(1),
    z
      .array(argument)
      .min(1)
      .max(256)
      .refine(
        (all) => all.reduce((sum, { length }) => sum + length, 0) <= longestCommand,
        `expected at most ${longestCommand} characters in all`,
      ),
  ]),
});

const webhook = {
  url: webUrl,
  /** File with the secret, `whsec_…`; deliveries are not signed without. */
  secretFile: file.optional(),
  allowPrivate: allowPrivate.optional(),
};
export const webhookTarget = z.strictObject({ kind: z.literal('webhook'), ...webhook });

/** A relay on the same machine, or in a network of its own, knows names without a dot: `root@localhost`. */
const mailAddress = z
  .email({ pattern: z.regexes.html5Email, error: 'expected a mail address, like ops@example.org' })
  .max(320);
const mailSettings = z.strictObject({
  /** Of the mail server, `smtp://HOST[:PORT]` (STARTTLS) or `smtps://HOST[:PORT]`. */
  server: z
    .url({ protocol: /^smtps?$/, error: 'expected smtp://HOST[:PORT] or smtps://HOST[:PORT]' })
    .max(2048)
    .refine((url) => /^smtps?:\/\/[^/?#@]+$/.test(url), 'expected smtp://HOST[:PORT], without user, password and path'),
  from: mailAddress,
  to: z.array(mailAddress).min(1).max(50),
  /** With it, `passwordFile`. */
  user: z.string().min(1).max(320).optional(),
  passwordFile: file.optional(),
  /** Without TLS, for a relay on the same machine; never with a password. */
  plain: z.boolean().optional(),
  allowPrivate: allowPrivate.optional(),
});
export type MailSettings = z.infer<typeof mailSettings>;

/** Where somebody is told that a derivation broke or was fixed: one of both. */
const notifyShape = { webhook: z.strictObject(webhook).optional(), mail: mailSettings.optional() };
type NotifyShape = z.infer<z.ZodObject<typeof notifyShape>>;

/** What is wrong with the whole of it. */
function checkNotify({ webhook, mail }: NotifyShape, context: z.core.$RefinementCtx): void {
  const refuse = (message: string): void => context.addIssue({ code: 'custom', path: [], message });
  if ((webhook === undefined) === (mail === undefined))
    refuse(`expected either webhook or mail, got ${mail === undefined ? 'none' : 'both'}`);
  if (mail === undefined) return;
  if ((mail.user === undefined) !== (mail.passwordFile === undefined))
    refuse('expected both user and password-file, or none, got one of them');
  if (mail.plain && mail.user !== undefined)
    refuse('expected no password where the mail goes without TLS (plain), got one');
  if (mail.plain && mail.server.startsWith('smtps:'))
    refuse('expected smtp:// where the mail goes without TLS (plain), got smtps://');
}
export const notifySettings = z.strictObject(notifyShape).superRefine(checkNotify);
export const notifyTarget = z.strictObject({ kind: z.literal('notify'), ...notifyShape }).superRefine(checkNotify);

/** What is said of a Guix Data Service that is told how builds go. */
export const guixDataServiceSettings = z.strictObject({
  /** Of the service itself, like `https://data.guix.gnu.org`. */
  url: webUrl.refine((url) => !/[?#]/.test(url), 'expected a URL without query and fragment'),
  /** The number under which the service knows this build server. */
  buildServer: z.int().min(0),
  /** File with the token that the service gave out for this build server. */
  tokenFile: file,
  allowPrivate: allowPrivate.optional(),
});
export const guixDataServiceTarget = z.strictObject({
  kind: z.literal('guix-data-service'),
  ...guixDataServiceSettings.shape,
});

/** What is said of a folder that is kept as a binary cache. */
const folderShape = {
  /** Made if it is not there. */
  folder: file.regex(/^\/(?!\/*$)/, 'expected an absolute path'),
  /** `plain` if absent: as any web server gives it out. */
  layout: z.enum(['plain', 'guix-publish']).optional(),
  /** Of NARs in the layout of `guix publish`, in its order, with levels: `gzip:9`; `zstd` alone if absent. */
  compressions: guixCompressions.min(1).optional(),
};
export type CacheFolderSettings = z.infer<z.ZodObject<typeof folderShape>>;

function checkFolder({ layout, compressions }: CacheFolderSettings, context: z.core.$RefinementCtx): void {
  if (compressions !== undefined && layout !== 'guix-publish')
    context.addIssue({
      code: 'custom',
      path: ['compressions'],
      message: 'expected none without layout guix-publish',
    });
}
export const cacheFolderSettings = z.strictObject(folderShape).superRefine(checkFolder);
/** It gets what succeeds. */
export const publishTarget = z.strictObject({ kind: z.literal('publish'), ...folderShape }).superRefine(checkFolder);
/** It gets all that the coordinator has. */
export const mirrorTarget = z.strictObject({ kind: z.literal('mirror'), ...folderShape }).superRefine(checkFolder);

/** Where events go. */
export const hookTarget = z.discriminatedUnion('kind', [
  commandTarget,
  webhookTarget,
  notifyTarget,
  guixDataServiceTarget,
  publishTarget,
  mirrorTarget,
]);
export type HookTarget = z.infer<typeof hookTarget>;
export type HookTargetKind = HookTarget['kind'];
export const hookTargetKinds: readonly HookTargetKind[] = hookTarget.options.map(({ shape }) => shape.kind.value);
