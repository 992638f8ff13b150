import { type Command, Option } from 'commander';
import type { HookStatus } from '../../coordinator/hooks/status.ts';
import type { HookTest } from '../../coordinator/hooks/wishes.ts';
import { failureClasses } from '../../domain/build/failure-class.ts';
import { guixPublishCompressions } from '../../domain/hook/compressions.ts';
import { addCommand, addGroup, type CommandContext, onAction } from '../command.ts';
import { eventIdArgument, gatherEventIds } from '../event-id.ts';
import type { Client } from '../http/client.ts';
import { addConnectionOptions, type ConnectionFlags, connect } from '../http/connection.ts';
import { durationSeconds, gather, wholeNumber } from '../numbers.ts';
import { CliError } from '../output/cli-error.ts';
import { inHookFlags } from '../output/hook-flags.ts';
import { formatHook, formatHooks } from '../output/hooks.ts';
import type { Io } from '../output/io.ts';
import { addWatchOption, type ListingFlags, printListing } from '../output/listing.ts';
import { addOutputOptions, type OutputFlags, print } from '../output/print.ts';
import { printable } from '../output/text.ts';
import { readTags } from '../submit/tags.ts';

type Flags = ConnectionFlags & OutputFlags;
interface DefinitionFlags extends Flags {
  readonly on?: readonly string[];
  readonly tag?: readonly string[];
  readonly system?: readonly string[];
  readonly drv?: string;
  readonly class?: readonly string[];
  readonly agent?: readonly string[];
  readonly run?: string;
  readonly webhook?: string;
  readonly secretFile?: string;
  readonly allowPrivate?: true;
  readonly notifyWebhook?: string;
  readonly notifyMail?: readonly string[];
  readonly mailServer?: string;
  readonly mailFrom?: string;
  readonly mailUser?: string;
  readonly mailPasswordFile?: string;
  readonly mailPlain?: true;
  readonly guixDataService?: string;
  readonly buildServer?: number;
  readonly buildServerTokenFile?: string;
  readonly publish?: string;
  readonly mirror?: string;
  readonly layout?: string;
  readonly compression?: readonly string[];
  readonly concurrency?: number;
  readonly timeout?: number;
  readonly attempts?: number;
  readonly retryBase?: number;
  readonly retryMax?: number;
  readonly order?: string;
  readonly from?: string;
  readonly replace?: true;
}
const week = 7 * 24 * 3600;
const pathOf = (name: string) => `/v1/hooks/${encodeURIComponent(name)}`;
const position =
  'now, start, a position of the log or the id of an event (drover events tail shows both): what comes after it is delivered';

export function addHooksCommands(program: Command, context: CommandContext): void {
  const { io } = context;
  const hooks = addGroup(program, {
    usage: 'hooks',
    summary: 'Have events delivered to commands and webhooks',
    more: 'A hook gets each event that it asked for at least once, in order, at its own pace. docs/hooks.md says more.',
    examples: [
      ['drover hooks add ci --on BuildFailed --on BuildSucceeded --webhook https://ci.example/drover', 'a webhook'],
      ['drover hooks list', 'how far each is, and what it waits for'],
      ['drover hooks retry-parked ci', 'once the receiver is well again'],
    ],
  });
  addDefinition(hooks, context);

  const list = addCommand(hooks, {
    usage: 'list',
    summary: 'List all hooks, how far each is, and what it waits for',
    examples: [['drover hooks list', 'lag, failures, parked events']],
  });
  addConnectionOptions(addWatchOption(addOutputOptions(list)));
  onAction(list, context, async (flags: Flags & ListingFlags) => {
    const client = connect(flags, io);
    return printListing<HookStatus>(io, flags, {
      client,
      async load() {
        const answer = await client.get<{ rows: readonly HookStatus[] }>('/v1/hooks');
        return { value: answer, rows: answer.rows, text: formatHooks, name: ({ name }) => name };
      },
    });
  });

  const show = addCommand(hooks, {
    usage: 'show <name>',
    summary: 'Show one hook: what it is, what it delivers, what fails and what is parked',
    examples: [['drover hooks show ci', 'all that is known of it']],
  });
  addConnectionOptions(addOutputOptions(show));
  onAction(show, context, async (name: string, flags: Flags) => {
    const client = connect(flags, io);
    const hook = await client.get<HookStatus>(pathOf(name));
    await printHook(client, io, flags, hook);
  });

  const steering = [
    ['pause', 'Have a hook deliver nothing; what it owes waits', 'while its receiver is away'],
    ['resume', 'Let a paused hook go on', 'what it owes comes first'],
  ] as const;
  for (const [what, summary, why] of steering) {
    const command = addCommand(hooks, {
      usage: `${what} <name>`,
      summary,
      examples: [[`drover hooks ${what} ci`, why]],
    });
    if (what === 'pause') command.option('--reason <text>', 'for the record');
    addConnectionOptions(addOutputOptions(command));
    onAction(command, context, async (name: string, { reason, ...flags }: Flags & { readonly reason?: string }) => {
      const body = reason === undefined ? {} : { reason };
      const client = connect(flags, io);
      const hook = await client.send<HookStatus>('POST', `${pathOf(name)}/${what}`, body);
      await printHook(client, io, flags, hook);
    });
  }

  const skip = addCommand(hooks, {
    usage: 'skip <name>',
    summary: 'Have a hook go on without events that fail or are parked',
    more: 'Without --event, those that are parked. What follows on the same streams is delivered then.',
    examples: [
      ['drover hooks skip ci --event build-0r7k2m9q4abcdefg-12@4', 'one that fails or is parked'],
      ['drover hooks skip ci --reason "nobody needs them"', 'all that are parked'],
    ],
  })
    .option('--event <id>', 'this event; can be repeated', gatherEventIds)
    .option('--reason <text>', 'for the record');
  addConnectionOptions(addOutputOptions(skip, { names: false }));
  onAction(
    skip,
    context,
    async (name: string, { event, reason, ...flags }: Flags & { event?: readonly string[]; reason?: string }) => {
      const body = { ...(event && { events: event }), ...(reason !== undefined && { reason }) };
      const client = connect(flags, io);
      const answer = await client.send<{ skipped: number }>('POST', `${pathOf(name)}/skip`, body);
      const hint = answer.skipped === 0 && event === undefined ? await nothingParked(client, name, 'skip') : '';
      await print(io, flags, { value: answer, text: () => `Skipped ${count(answer.skipped)}.${hint}\n` });
    },
  );

  const retry = addCommand(hooks, {
    usage: 'retry-parked <name>',
    summary: 'Deliver parked events again',
    examples: [
      ['drover hooks retry-parked ci', 'all of them'],
      ['drover hooks retry-parked ci --event build-0r7k2m9q4abcdefg-12@4', 'one'],
    ],
  }).option('--event <id>', 'this event; can be repeated', gatherEventIds);
  addConnectionOptions(addOutputOptions(retry, { names: false }));
  onAction(retry, context, async (name: string, { event, ...flags }: Flags & { event?: readonly string[] }) => {
    const client = connect(flags, io);
    const path = `${pathOf(name)}/retry-parked`;
    const answer = await client.send<{ retried: number }>('POST', path, event ? { events: event } : {});
    const hint = answer.retried === 0 && event === undefined ? await nothingParked(client, name, 'retry-parked') : '';
    await print(io, flags, { value: answer, text: () => `${count(answer.retried)} will be delivered again.${hint}\n` });
  });

  const replay = addCommand(hooks, {
    usage: 'replay <name>',
    summary: 'Set the place of a hook: everything after it is delivered, again where it was before',
    more: 'Receivers can tell a repeat: an event keeps its id. A place further on leaves out what is between.',
    examples: [
      ['drover hooks replay ci --from start', 'the whole log again'],
      ['drover hooks replay ci --from 0000000000004711', 'what came after this position'],
      ['drover hooks replay ci --from build-0r7k2m9q4abcdefg-12@4', 'what came after this event'],
    ],
  }).requiredOption('--from <position>', position);
  addConnectionOptions(addOutputOptions(replay));
  onAction(replay, context, async (name: string, { from, ...flags }: Flags & { from: string }) => {
    const client = connect(flags, io);
    const hook = await client.send<HookStatus>('POST', `${pathOf(name)}/replay`, { from });
    await printHook(client, io, flags, hook);
  });

  const test = addCommand(hooks, {
    usage: 'test <name>',
    summary: 'Deliver one event of the log now, whether it matches or not, and say what came of it',
    more: 'Nothing of what the hook owes is changed by it. The exit code is 1 if the delivery fails.',
    examples: [['drover hooks test ci --event build-0r7k2m9q4abcdefg-12@4', 'does the receiver take it?']],
  }).requiredOption('--event <id>', 'id of the event: STREAM@REVISION', eventIdArgument);
  addConnectionOptions(addOutputOptions(test, { names: false }));
  onAction(test, context, async (name: string, { event, ...flags }: Flags & { event: string }) => {
    const client = connect(flags, io);
    const result = await client.send<HookTest>('POST', `${pathOf(name)}/test`, { event });
    const came = result.ok
      ? result.note === undefined
        ? `delivered in ${result.ms} ms`
        : `nothing to deliver: ${printable(result.note)}`
      : `failed after ${result.ms} ms: ${printable(result.error ?? '')}`;
    const match = result.matches ? '' : 'The hook would not get this event by itself.\n';
    await print(io, flags, { value: result, text: () => `${event}: ${came}\n${match}` });
    return result.ok ? 0 : 1;
  });

  const remove = addCommand(hooks, {
    usage: 'remove <name>',
    summary: 'Remove a hook; its place is kept, for when it is added again',
    examples: [['drover hooks remove ci', 'it delivers nothing more']],
  }).option('--reason <text>', 'for the record');
  addConnectionOptions(addOutputOptions(remove));
  onAction(remove, context, async (name: string, { reason, ...flags }: Flags & { reason?: string }) => {
    const query = reason === undefined ? '' : `?reason=${encodeURIComponent(reason)}`;
    await connect(flags, io).send('DELETE', `${pathOf(name)}${query}`);
    const text = () => `Removed ${printable(name)}.\n`;
    await print(io, flags, { value: { name, removed: true }, text, names: [name] });
  });
}

/** Why nothing was done: a hook whose events fail has none that are parked until it gives up. */
async function nothingParked(client: Client, name: string, what: 'skip' | 'retry-parked'): Promise<string> {
  const hook = await client.get<HookStatus>(pathOf(name)).catch(() => undefined);
  const failing = hook?.counts?.failing ?? 0;
  if (failing === 0) return ' None is parked.';
  const how =
    what === 'skip' ? `'drover hooks skip ${printable(name)} --event ID' skips one` : 'they come again by themselves';
  return ` None is parked; ${count(failing)} ${failing === 1 ? 'fails' : 'fail'}: 'drover hooks show ${printable(name)}' names them, ${how}.`;
}

async function printHook(client: Client, io: Io, flags: OutputFlags, hook: HookStatus): Promise<void> {
  const position = await positionOf(client, hook.place);
  await print(io, flags, { value: hook, text: (view) => formatHook(hook, view, position), names: [hook.name] });
}

/** Of the event that a place is named by: a place is asked for by position, too. `undefined` where it cannot be had. */
async function positionOf(client: Client, { after, before }: HookStatus['place']): Promise<string | undefined> {
  const id = after ?? before;
  if (id === undefined) return undefined;
  const found = client.call<{ position?: string }>('GET', `/v1/events/${encodeURIComponent(id)}`);
  return found.then(
    ({ position }) => position,
    () => undefined,
  );
}

function addDefinition(hooks: Command, context: CommandContext): void {
  const { io } = context;
  const seconds = durationSeconds(week);
  const add = addCommand(hooks, {
    usage: 'add <name>',
    summary: 'Add a hook, or with --replace make one something else',
    more:
      'It gets what happens from now on, or from where --from says. One that was removed goes on from its place. ' +
      'Commands and private addresses are for hooks of the configuration, unless the coordinator trusts its API with them (hooks.trust-api).',
    examples: [
      [
        'drover hooks add ci --on BuildFailed --tag branch=main --webhook https://ci.example/drover --secret-file /etc/drover/ci.whsec',
        'failures of one branch, signed',
      ],
      [
        'drover hooks add broken --tag branch=main --notify-mail ops@example.org --mail-server smtps://mail.example.org --mail-from drover@example.org',
        'a mail when something breaks or is fixed',
      ],
      [
        'drover hooks add substitutes --publish /var/cache/guix/publish --layout guix-publish --compression zstd',
        'what "guix publish -C zstd" gives out',
      ],
      ['drover hooks add archive --on StoreItemAdded --drv "hello-*" --run "archive.sh" --from start', 'a command'],
    ],
  })
    .option(
      '--on <type>',
      'type of event (docs/events.md); can be repeated. What is built in gets all that it knows',
      gather,
    )
    .option('--tag <key=value>', 'only builds and submissions with this tag; can be repeated, then all', gather)
    .option('--system <system>', 'only of this system; can be repeated', gather)
    .option(
      '--drv <pattern>',
      'only derivations or items with this name, without the hash; * and ? stand for characters',
    )
    .addOption(
      new Option('--class <class>', 'only failures of this class; can be repeated').argParser((text, before) =>
        gather(failureClass(text), before as readonly string[] | undefined),
      ),
    )
    .option('--agent <name>', 'only of this agent; can be repeated', gather)
    .option('--run <command>', "a command for /bin/sh -c on the coordinator's machine")
    .option('--webhook <url>', 'a webhook')
    .option('--secret-file <file>', "file on the coordinator's machine with the webhook's secret, whsec_…")
    .option('--allow-private', 'the webhook, or what is built in, may be at a private address')
    .option(
      '--notify-webhook <url>',
      'built in: tell a webhook when a derivation (by name and system) breaks, and when it is fixed',
    )
    .option('--notify-mail <address>', 'built in: tell this address the same by mail; can be repeated', gather)
    .option('--mail-server <url>', 'smtp://HOST[:PORT] (STARTTLS) or smtps://HOST[:PORT]')
    .option('--mail-from <address>', 'whom the mail is from')
    .option('--mail-user <name>', 'user of the mail server, with --mail-password-file')
    .option('--mail-password-file <file>', "file on the coordinator's machine with the password")
    .option('--mail-plain', 'without TLS, for a relay on the same machine')
    .option('--guix-data-service <url>', 'built in: tell a Guix Data Service how builds go')
    .addOption(
      new Option('--build-server <n>', 'the number under which it knows this build server').argParser(
        wholeNumber(0, Number.MAX_SAFE_INTEGER),
      ),
    )
    .option('--build-server-token-file <file>', "file on the coordinator's machine with the token that it gave out")
    .option(
      '--publish <folder>',
      "built in: a binary cache of what builds make, in a folder on the coordinator's machine",
    )
    .option('--mirror <folder>', 'built in: the same of all that the coordinator has')
    .addOption(
      new Option('--layout <layout>', 'of the folder: for any web server, or for guix publish --cache').choices([
        'plain',
        'guix-publish',
      ]),
    )
    .option(
      '--compression <name>',
      `with --layout guix-publish: ${guixPublishCompressions.join(', ')}, with a level where wanted (gzip:9); can be repeated, in the order of guix publish`,
      gather,
    )
    .addOption(new Option('--concurrency <n>', 'deliveries at a time').argParser(wholeNumber(1, 64)))
    .addOption(new Option('--timeout <time>', 'how long one delivery may take: 90s, 10m, 2h').argParser(seconds))
    .addOption(
      new Option('--attempts <n>', 'deliveries of one event before it is parked').argParser(wholeNumber(1, 1000)),
    )
    .addOption(new Option('--retry-base <time>', 'wait before the second; doubles with each').argParser(seconds))
    .addOption(new Option('--retry-max <time>', 'longest wait').argParser(seconds))
    .addOption(
      new Option('--order <order>', 'stream: events of one stream in order; all: one after the other').choices([
        'stream',
        'all',
      ]),
    )
    .option('--from <position>', position)
    .option('--replace', 'change the hook of that name; its place stays');
  addConnectionOptions(addOutputOptions(add));
  onAction(add, context, async (name: string, flags: DefinitionFlags) => {
    if (flags.replace && flags.from !== undefined)
      throw new CliError('wrong-use', '--replace keeps the place of the hook; "drover hooks replay" sets it', {
        exitCode: 2,
      });
    const client = connect(flags, io);
    const wish = wishOf(flags);
    const added = flags.replace
      ? client.send<HookStatus>('PUT', pathOf(name), wish)
      : client.send<HookStatus>('POST', '/v1/hooks', {
          name,
          ...wish,
          ...(flags.from !== undefined && { from: flags.from }),
        });
    const hook = await added.catch((error: unknown) => {
      throw inHookFlags(error);
    });
    await printHook(client, io, flags, hook);
  });
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const given = <Value>(name: string, value: Value | undefined): object => (value === undefined ? {} : { [name]: value });

/** Flags that say more of what another flag names. */
const belongTo = {
  notifyMail: ['mailServer', 'mailFrom', 'mailUser', 'mailPasswordFile', 'mailPlain'],
  guixDataService: ['buildServer', 'buildServerTokenFile'],
} as const;

/** Where events go; the coordinator says what is too much or missing. */
function targetOf(flags: DefinitionFlags): object {
  for (const [owner, names] of Object.entries(belongTo))
    for (const name of names)
      if (flags[name] !== undefined && flags[owner as keyof typeof belongTo] === undefined)
        throw new CliError('wrong-use', `expected --${kebab(owner)} with --${kebab(name)}, got none`, { exitCode: 2 });
  const { notifyWebhook, notifyMail, guixDataService } = flags;
  const allowPrivate = given('allowPrivate', flags.allowPrivate);
  const webhook = { ...given('secretFile', flags.secretFile), ...allowPrivate };
  const mail = {
    ...given('server', flags.mailServer),
    ...given('from', flags.mailFrom),
    ...given('user', flags.mailUser),
    ...given('passwordFile', flags.mailPasswordFile),
    ...given('plain', flags.mailPlain),
    ...allowPrivate,
  };
  const service = {
    ...given('buildServer', flags.buildServer),
    ...given('tokenFile', flags.buildServerTokenFile),
    ...allowPrivate,
  };
  const form = { ...given('layout', flags.layout), ...given('compressions', flags.compression) };
  if (Object.keys(form).length > 0 && flags.publish === undefined && flags.mirror === undefined)
    throw new CliError('wrong-use', 'expected --publish or --mirror with --layout and --compression, got none', {
      exitCode: 2,
    });
  const isNotify = notifyWebhook !== undefined || notifyMail !== undefined;
  return {
    ...given('run', flags.run),
    ...given('url', flags.webhook),
    ...(isNotify && {
      notify: {
        ...given('webhook', notifyWebhook && { url: notifyWebhook, ...webhook }),
        ...given('mail', notifyMail && { to: notifyMail, ...mail }),
      },
    }),
    ...given('guixDataService', guixDataService && { url: guixDataService, ...service }),
    ...given('publish', flags.publish && { folder: flags.publish, ...form }),
    ...given('mirror', flags.mirror && { folder: flags.mirror, ...form }),
    ...(!isNotify && guixDataService === undefined && webhook),
  };
}

function wishOf(flags: DefinitionFlags): object {
  const where = {
    ...given('tags', flags.tag && readTags(flags.tag)),
    ...given('systems', flags.system),
    ...given('name', flags.drv),
    ...given('classes', flags.class),
    ...given('agents', flags.agent),
  };
  return {
    ...given('on', flags.on),
    ...(Object.keys(where).length > 0 && { where }),
    ...targetOf(flags),
    ...given('concurrency', flags.concurrency),
    ...given('timeoutSeconds', flags.timeout),
    retry: {
      ...given('maxAttempts', flags.attempts),
      ...given('baseSeconds', flags.retryBase),
      ...given('maxSeconds', flags.retryMax),
    },
    ...given('order', flags.order),
  };
}

function failureClass(text: string): string {
  if ((failureClasses as readonly string[]).includes(text)) return text;
  throw new CliError('wrong-use', `expected --class ${failureClasses.join(', ')}, got ${text}`, { exitCode: 2 });
}

function count(events: number): string {
  return events === 1 ? '1 event' : `${events} events`;
}
