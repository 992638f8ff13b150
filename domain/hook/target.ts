import { z } from 'zod';

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

export const webhookTarget = z.strictObject({
  kind: z.literal('webhook'),
  url: webUrl,
  /** File with the secret, `whsec_…`; deliveries are not signed without. */
  secretFile: file.optional(),
  allowPrivate: allowPrivate.optional(),
});

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

/** Where events go. */
export const hookTarget = z.discriminatedUnion('kind', [commandTarget, webhookTarget, guixDataServiceTarget]);
export type HookTarget = z.infer<typeof hookTarget>;
export type HookTargetKind = HookTarget['kind'];
export const hookTargetKinds: readonly HookTargetKind[] = hookTarget.options.map(({ shape }) => shape.kind.value);
