import { CliError } from './cli-error.ts';

/** The API's fields of a hook, as dots join them, and what gives them on the command line. */
const flags: Readonly<Record<string, string>> = {
  name: '<name>',
  on: '--on',
  'where.tags': '--tag',
  'where.systems': '--system',
  'where.name': '--drv',
  'where.classes': '--class',
  'where.agents': '--agent',
  run: '--run',
  url: '--webhook',
  secretFile: '--secret-file',
  allowPrivate: '--allow-private',
  'notify.webhook.url': '--notify-webhook',
  'notify.webhook.secretFile': '--secret-file',
  'notify.mail.to': '--notify-mail',
  'notify.mail.server': '--mail-server',
  'notify.mail.from': '--mail-from',
  'notify.mail.user': '--mail-user',
  'notify.mail.passwordFile': '--mail-password-file',
  'guixDataService.url': '--guix-data-service',
  'guixDataService.buildServer': '--build-server',
  'guixDataService.tokenFile': '--build-server-token-file',
  'publish.folder': '--publish',
  'publish.layout': '--layout',
  'publish.compressions': '--compression',
  'mirror.folder': '--mirror',
  'mirror.layout': '--layout',
  'mirror.compressions': '--compression',
  timeoutSeconds: '--timeout',
  'retry.maxAttempts': '--attempts',
  'retry.baseSeconds': '--retry-base',
  'retry.maxSeconds': '--retry-max',
  from: '--from',
};

/** What the coordinator says of several fields at once is in the keys of its configuration. */
const words: readonly (readonly [RegExp, string])[] = [
  [
    /\brun, url, notify, guix-data-service, publish, mirror\b/,
    '--run, --webhook, --notify-webhook, --notify-mail, --guix-data-service, --publish, --mirror',
  ],
  [/\bexpected either webhook or mail\b/, 'expected either --notify-webhook or --notify-mail'],
  [/\bexpected both user and password-file\b/, 'expected both --mail-user and --mail-password-file'],
  // What names its field by itself, and what only its field is wrong with.
  [/^expected on: /, '--on: '],
  [/^expected on, /, 'expected --on, '],
  [/^(?:expected )?where: (.*), got classes: /, '$1, got --class: '],
  [/^(?:expected )?where: (.*), got name: /, '$1, got --drv: '],
  [/^(?:expected )?where: (.*), got (tag|system|agent)s: /, '$1, got --$2: '],
  [/^(?:expected )?where: /, ''],
  [/(?<=--mirror, got .*)\burl\b/, '--webhook'],
  [/(?<=--mirror, got .*)(?<![-\w])(run|guix-data-service|publish|mirror)\b/g, '--$1'],
  [/^(?:expected )?(secret-file|allow-private)(?= is for|:)/, '--$1'],
  [
    /^(expected )(secret-file|allow-private) (.*) got it with (run|guix-data-service|publish|mirror)\b/,
    '$1--$2 $3 got it with --$4',
  ],
  [/^(expected )(secret-file|allow-private) (.*) got it with notify\b.*/, '$1--$2 $3 got it with --notify-mail'],
  [/\(plain\)/, '(--mail-plain)'],
  [/\(url\)/, '(--webhook)'],
  [/\(allow-private\)/, '(--allow-private)'],
  [/^folder: /, '--publish and --mirror: '],
  [/^layout: /, '--layout: '],
  [/^token-file: /, '--build-server-token-file: '],
  [/^password-file: /, '--mail-password-file: '],
  [/^(run|from): /, '--$1: '],
];

/** A refusal of a hook in the words of the flags; what is wrong with the hook is a wrong use. */
export function inHookFlags(error: unknown): unknown {
  if (!(error instanceof CliError)) return error;
  const { code, hint, cause, mayPass } = error;
  const isWrongUse = ['invalid-request', 'hook-not-usable', 'position-ahead'].includes(code);
  if (!isWrongUse) return error;
  // What stands before a colon may be no field.
  const whole = error.message.replace(/^body(\.|: )/, '');
  const [, path = '', after = ''] = /^([\w.]+): (.*)$/s.exec(whole) ?? [];
  const field = path.replace(/\.\d+$/, '');
  const flag = field.startsWith('where.tags') ? '--tag' : flags[field];
  const rest = flag === undefined ? whole : after;
  const said = words.reduce(
    (text, [from, to]) => text.replace(from, to),
    // Of several fields at once the whole of them came, which says nothing: where more was said, a coordinator of before has it behind that.
    rest.replace(/, got an object$/, ''),
  );
  return new CliError(code, flag === undefined ? said : `${flag}: ${said}`, { hint, cause, mayPass, exitCode: 2 });
}
