import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pino } from 'pino';
import { createSystemRuntime } from '../../adapters/runtime/system-runtime.ts';
import { allCommands } from '../../cli/commands/all.ts';
import { processIo } from '../../cli/output/io.ts';
import { buildProgram, runCli } from '../../cli/program.ts';
import { type DroverEvent, type EventName, readEvents } from '../../client/events.ts';
import { createHttp, type Http, readJson } from '../../client/http.ts';
import type { FarmStatus } from '../../coordinator/application.ts';
import { coordinatorConfigSchema } from '../../coordinator/config.ts';
import { type RunningCoordinator, runCoordinator } from '../../programs/coordinator.ts';
import { startTestAgent } from '../support/agent-harness.ts';
import { createFakeBuilder } from '../support/fake-builder.ts';
import { temporaryFolder } from '../support/nix-tools.ts';
import { type ExampleLine, exampleLines } from './support/example-lines.ts';
import { type RunOptions, run, testIo } from './support/run-cli.ts';

/** Derivations as Nix made them: one that the agent builds, one that fails there, and one that no agent takes. */
const good = 'c3yh3hnrjnfp3a7kb9h5q8x1ylmcr2kh-plain.drv';
const goodItem = 'wh95ph7yyj7a9gqziw85bhapwkb96vln-plain';
const bad = 'bqm9npfwjxvc4k7c96jbfjjilncvfwi5-escapes.drv';
const untaken = 'm064rbxl4qip2nmjgw1ays9ms7g8pwd9-other-system.drv';

/** Why an example does not run here, and what runs it. */
const elsewhere: Readonly<Record<string, string>> = {
  'drover submit --expr default.nix -A hello --tag branch=main':
    'writes into the store of the machine: submit/instantiate, scripts/readme-by-hand',
  "drover submit -E 'import ./.' --argstr system aarch64-linux --wait": 'the same',
  'drover submit --flake .#hello --out-link result': 'needs a Nix with flakes: submit/instantiate',
  'drover agent --coordinator http://127.0.0.1:8745 --token-file worker-1.token --state /var/lib/drover-agent':
    'needs Nix: e2e/main-path',
  'drover agent --coordinator https://builds.example.org --token-file worker-1.token --state /var/lib/drover-agent':
    'the same',
  'drover agent --config /etc/drover-agent.toml --slots 4 --store "local?root=/srv/chroot"': 'the same',
  'drover doctor agent --config /etc/drover-agent.toml': 'says what the machine has: cli/doctor',
  'sudo -u drover-agent drover doctor agent --config /etc/drover-agent.toml': 'the same',
  'drover doctor agent --config /etc/drover-agent.toml -o json': 'the same',
  'drover events verify --store nats://127.0.0.1:4222 --key audit-key.pub': 'needs a server of NATS: cli/events-verify',
  'drover log copy --from sqlite:/var/lib/drover --to nats://127.0.0.1:4222': 'the same: e2e/nats',
  'drover log copy --from esdb://127.0.0.1:2113?tls=false --to sqlite:/var/lib/drover':
    'needs a server of EventStoreDB: coordinator/log-copy',
  'drover submit --guix /gnu/store/HASH-hello-2.12.drv --wait': 'needs Guix: cli/guix',
  'guix archive --export -r DRV | drover submit --guix -': 'the same',
  'drover submit --manifest manifest.scm -L modules': 'the same',
  "drover submit -e '(@ (gnu packages base) hello)' --system aarch64-linux": 'the same',
  'drover submit --data-service https://data.guix.gnu.org --revision COMMIT --system x86_64-linux':
    'needs a data service: submit/data-service',
  'drover submit DRV --root nightly --keep 14d': 'keeps what other examples delete: coordinator/roots',
  'drover push ./result': 'needs a store of Nix: e2e/cache',
  'echo /nix/store/HASH-hello-2.12 | drover push -': 'the same',
  'drover push /nix/store/HASH-hello-2.12 --from local?root=/mnt -o json': 'the same',
  'drover import nars --from /srv/cache --no-check-sigs': 'needs another cache: cli/import',
  'drover import nars --from /srv/cache --trusted-key NAME:KEY': 'the same',
  'drover import nars --from https://cache.example.org --trusted-key NAME:KEY /nix/store/HASH-hello-2.12': 'the same',
  'drover import nars --from /var/cache/guix/publish --trusted-key /etc/guix/acl': 'the same: cli/guix',
  'drover import nars --from https://ci.guix.gnu.org --trusted-key ci.pub /gnu/store/HASH-hello-2.12': 'the same',
  'drover import guix-build-coordinator guix_build_coordinator.db': 'the same: cli/import-guix-build-coordinator',
  'drover import guix-build-coordinator guix_build_coordinator.db --dry-run': 'the same',
  'drover builds history /gnu/store/HASH-hello-2.12.drv': 'needs Guix: cli/guix',
  'drover import nars --from /srv/nars --nar-herder nar_herder.db --trusted-key bordeaux.pub': 'the same',
  'drover keys list --data /var/lib/drover': 'changes keys of a folder: cli/keys',
  'drover keys generate --format guix --to signing-key': 'the same',
  'drover keys generate --format nix --name cache.example.org-1 --data /var/lib/drover': 'the same',
  'drover keys import /etc/guix/signing-key.sec --format guix --data /var/lib/drover': 'the same',
  'drover keys import cache.sec --format nix --data /var/lib/drover --replace': 'the same',
  'drover keys export --format guix --data /var/lib/drover | guix archive --authorize': 'the same',
  'drover keys export --format nix --data /var/lib/drover --secret --to cache.sec': 'the same',
  'drover upstreams show nixos': 'needs an upstream: e2e/upstreams',
  'drover upstreams check nixos': 'the same',
  'drover upstreams check nixos /nix/store/HASH-hello-2.12': 'the same',
  'drover submissions resume SUBMISSION': 'only a watchdog sets one aside: e2e/stalled',
};

describe('the examples of --help, on a real coordinator', () => {
  let home: string;
  let url: string;
  let token: string;
  let http: Http;
  let running: RunningCoordinator;
  let [goodBuild, failedBuild, waitingBuild, position] = ['', '', '', ''];
  let examples: readonly ExampleLine[];
  const resources = new AsyncDisposableStack();
  const path = (name: string): string => join(home, name);
  const environment = () => ({ DROVER_URL: url, DROVER_TOKEN: token, HOME: home });

  async function drover(words: string | readonly string[], options: RunOptions = {}): Promise<string> {
    const argv = typeof words === 'string' ? words.split(' ') : words;
    const { code, out, err } = await run(argv, { environment: environment(), ...options });
    assert.equal(code, 0, `drover ${argv.join(' ')}: ${err}`);
    return out;
  }
  /** Submits a derivation anew. Resolves with the id of the submission. */
  const submit = async (derivation: string): Promise<string> =>
    (
      await drover(['submit', '--derivations', 'drvs', derivation, '--force', '--max-attempts', '1', '-o', 'name'])
    ).trim();
  const buildOf = (submission: string): string => `${submission}-1`;
  const submissionOf = (build: string): string => build.replace(/-[0-9]+$/, '');
  /** The next event of the type after a position. */
  async function next<Type extends EventName>(type: Type, from = 'start'): Promise<DroverEvent<Type>> {
    for await (const event of readEvents(http, { from, types: [type] })) return event as DroverEvent<Type>;
    throw new Error(`there was no ${type}`);
  }
  async function call(method: string, route: string, body?: unknown): Promise<unknown> {
    const sent = body === undefined ? {} : { body: JSON.stringify(body) };
    return readJson(
      await http.request(method, route, { headers: { 'content-type': 'application/json' }, ...sent }),
      url,
    );
  }
  const positionNow = async (): Promise<string> => ((await call('GET', '/v1/status')) as FarmStatus).position as string;

  before(async () => {
    const folder = resources.use(await temporaryFolder());
    home = folder.path;
    const cwd = process.cwd();
    process.chdir(home);
    resources.defer(() => process.chdir(cwd));
    examples = exampleLines(buildProgram({ io: processIo(), exitCode: 0 }, await allCommands()), home);
    for (const drvs of ['drvs', 'chroot/nix/store']) {
      mkdirSync(path(drvs), { recursive: true });
      for (const name of [good, bad, untaken])
        copyFileSync(new URL(`../fixtures/derivations/${name}`, import.meta.url), path(`${drvs}/${name}`));
    }
    const settings = { data: path('second'), listen: '127.0.0.1:0' };
    writeFileSync(
      path('drover.toml'),
      Object.entries(settings)
        .map(([key, value]) => `${key} = "${value}"\n`)
        .join(''),
    );
    writeFileSync(
      path('agent.toml'),
      `coordinator = "http://127.0.0.1:1"\ntoken-file = "t"\nstate = "${path('agent')}"\n`,
    );
    writeFileSync(path('ci.whsec'), `whsec_${Buffer.alloc(32, 1).toString('base64')}\n`, { mode: 0o600 });
    const config = coordinatorConfigSchema.parse({
      ...settings,
      data: path('data'),
      hooks: { trustApi: true },
      otherStoreDirs: ['/gnu/store'],
      audit: { checkpointSeconds: 1 },
    });
    running = await runCoordinator(config, pino({ level: 'silent' }));
    resources.defer(() => running.close());
    url = running.url;
    token = readFileSync(running.adminTokenFile, 'utf8').trim();
    http = createHttp({ url, token });
    await drover(`agents add worker-1 --token-file ${path('a.token')}`);
    const builder = createFakeBuilder(async ({ derivation, derivationPath, onLog }, put) => {
      await onLog(Buffer.from('a line\n'));
      if (derivationPath.endsWith(bad)) return { status: 'failed', class: 'rejected', message: 'on purpose' };
      for (const output of derivation.outputs) put(output.path, 'hello');
      return { status: 'built', durationMs: 1 };
    });
    const place = { url: new URL(url), linkUrl: new URL('/v1/agent-link', url.replace('http', 'ws')) };
    const secret = readFileSync(path('a.token'), 'utf8').trim();
    resources.use(
      await startTestAgent(place as never, builder, path('agent'), { secret, runtime: createSystemRuntime() }),
    );
    const [first, second, third] = [await submit(good), await submit(bad), await submit(untaken)];
    await drover(['submissions', 'watch', first]);
    await tried(['submissions', 'watch', second]);
    [goodBuild, failedBuild, waitingBuild] = [buildOf(first), buildOf(second), buildOf(third)];
    await drover(['login', url, '--name', 'work'], { stdin: token });
  });
  after(() => resources.disposeAsync());

  it('lists what runs elsewhere, and nothing else', () => {
    const lines = new Set(examples.map(({ line }) => line));
    assert.deepEqual(
      Object.keys(elsewhere).filter((line) => !lines.has(line)),
      [],
    );
  });

  /** What is needed for an example before it runs, and for what its words stand then. */
  interface Plan {
    readonly ready?: () => Promise<Readonly<Record<string, string>>>;
    readonly stdin?: () => string;
    readonly environment?: () => Readonly<Record<string, string>>;
    /** Somebody is there to answer. */
    readonly interactive?: true;
    /** It runs until it is interrupted: as soon as it has printed so much. What is called until then may make it print. */
    readonly endless?: { readonly printed: RegExp; readonly wake?: () => Promise<unknown> };
  }
  const tried = (words: readonly string[]) => run(words, { environment: environment() });
  const anotherWaiting = { ready: async () => ({ BUILD: buildOf(await submit(untaken)) }) };
  const waiting = { ready: async () => ({ BUILD: waitingBuild }) };
  const ofFailed = { ready: async () => ({ SUBMISSION: submissionOf(failedBuild) }) };
  const ofWaiting = { ready: async () => ({ SUBMISSION: submissionOf(waitingBuild) }) };
  const otherAgent = { ready: async () => ({ 'worker-1': 'worker-2' }) };
  /** What was asked for is there, or is built again. */
  const itemThere = {
    ready: async () => {
      await drover(`submit --derivations ${path('drvs')} ${good} --wait`);
      return {};
    },
  };
  /** Something is kept, though nothing that another example deletes. */
  const keeping = {
    async ready() {
      await drover(`roots add waited-for /nix/store/${untaken}`);
      return {};
    },
  };
  const nightly = {
    async ready() {
      await drover(`roots add nightly ${goodItem}`);
      return {};
    },
  };
  /** A hook that has parked a failure. */
  const parked = {
    async ready() {
      const shown = await tried(['hooks', 'show', 'ci', '--json']);
      let event = shown.code === 0 ? JSON.parse(shown.out).parked?.[0]?.event : undefined;
      if (event === undefined) {
        await tried(['hooks', 'remove', 'ci']);
        const before = await positionNow();
        await call('POST', '/v1/hooks', {
          ...{ name: 'ci', from: 'start', on: ['BuildFailed'], run: 'exit 1', retry: { maxAttempts: 1 } },
        });
        event = (await next('HookParked', before)).data.event;
      }
      return { 'build-0r7k2m9q4abcdefg-12@4': event };
    },
  };
  const takenHook = {
    async ready() {
      await tried(['hooks', 'remove', 'ci']);
      await call('POST', '/v1/hooks', { name: 'ci', from: 'now', on: ['BuildFailed'], run: 'exit 0' });
      return { 'build-0r7k2m9q4abcdefg-12@4': `build-${failedBuild}@0` };
    },
  };
  const noHook = {
    async ready() {
      await tried(['hooks', 'remove', 'ci']);
      return {};
    },
  };
  /** The build is one of here, and what was long ago, now. */
  const there = {
    ready: async () => {
      const time = new Date().toISOString();
      return { '1m8aperfahjkz4xf-2': failedBuild, '2h': time, '3h': time, '1d': time, '2026-11-24T08:00:00Z': time };
    },
  };
  const sinceStart = {
    ready: async () => ({
      '2026-11-24': 'start',
      '2026-11-25': 'end',
      '2026-11-01': 'start',
      '2026-12-01': '9999-01-01',
    }),
  };
  const stopped = { ready: async () => ({ '/var/lib/drover': path('second') }) };
  const wake = async () => {
    await call('POST', '/v1/agents/worker-1/pause', {});
    await call('POST', '/v1/agents/worker-1/resume', {});
  };
  const withToken = { stdin: () => token };

  const plans: Readonly<Record<string, Plan>> = {
    'drover coordinator --data /var/lib/drover': {
      ...stopped,
      // Another one has the port that it takes.
      environment: () => ({ DROVER_LISTEN: '127.0.0.1:0' }),
      endless: { printed: /coordinator at http/ },
    },
    'drover coordinator --config /etc/drover.toml --listen "[::]:8745"': {
      endless: { printed: /coordinator at http/ },
    },
    'nix-eval-jobs --flake .#hydraJobs | drover submit --wait -': {
      stdin: () => `{"attr": "hello", "drvPath": "/nix/store/${good}"}\n`,
    },
    'ls drvs | drover submit --derivations drvs -': { stdin: () => `${good}\n` },
    'drover submissions show SUBMISSION': ofFailed,
    'drover submissions show SUBMISSION --json': ofWaiting,
    'drover submissions cancel SUBMISSION --dry-run': ofWaiting,
    'drover submissions cancel SUBMISSION --reason "wrong branch"': {
      ready: async () => ({ SUBMISSION: await submit(untaken) }),
    },
    'drover submissions prioritize SUBMISSION 100': ofWaiting,
    'drover submissions prioritize SUBMISSION 0': ofWaiting,
    'drover submissions retry SUBMISSION': ofFailed,
    'drover builds why BUILD': waiting,
    'drover builds cancel BUILD --reason "wrong branch"': anotherWaiting,
    'drover builds cancel BUILD --with-dependents': anotherWaiting,
    'drover builds cancel BUILD --dry-run': waiting,
    'drover builds defer BUILD --until 8h': waiting,
    'drover builds defer BUILD --until 2026-11-25T20:00:00Z --reason "the machines are needed"': {
      ready: async () => ({
        BUILD: waitingBuild,
        '2026-11-25T20:00:00Z': new Date(Date.now() + 3_600_000).toISOString(),
      }),
    },
    'drover builds defer BUILD --until now': waiting,
    'drover builds prioritize BUILD 100': waiting,
    'drover builds prioritize BUILD -5': waiting,
    'drover agents add worker-1 --token-file worker-1.token': otherAgent,
    'drover agents rotate-token worker-1 --token-file worker-1.token': otherAgent,
    'drover agents rotate-token worker-1 --token-file worker-1.token --overlap 1d': otherAgent,
    'drover agents remove worker-1': otherAgent,
    'drover items show /nix/store/HASH-hello-2.12': itemThere,
    'drover items delete /nix/store/HASH-hello-2.12 --reason "wrong patch"': { interactive: true, stdin: () => 'y\n' },
    'drover items delete --deriver HASH-hello-2.12.drv --yes': itemThere,
    'drover items delete --agent worker-1 --since 2d': { ...itemThere, interactive: true, stdin: () => 'y\n' },
    'drover roots add release-1.0 /nix/store/HASH-hello-2.12': itemThere,
    'drover gc --dry-run': keeping,
    'drover gc --dry-run -o name': keeping,
    'drover gc --older-than 30d': keeping,
    'drover gc --keep-free 100G': keeping,
    'drover gc --now --max-freed 10G': { ...keeping, interactive: true, stdin: () => 'y\n' },
    'drover items why /nix/store/HASH-hello-2.12': itemThere,
    'drover roots show nightly': nightly,
    'drover roots remove nightly /nix/store/HASH-hello-2.12': nightly,
    'drover items delete --now /nix/store/HASH-hello-2.12': { ...itemThere, interactive: true, stdin: () => 'y\n' },
    'drover events tail': { endless: { printed: /AgentPaused/, wake } },
    'drover events tail --from start --json': { endless: { printed: /"drover\.BuildFailed"/ } },
    'drover events tail --from 2h --type BuildFailed': { endless: { printed: /BuildFailed/ } },
    'drover events tail --stream agent-': { endless: { printed: /AgentPaused/, wake } },
    'drover events tail --from start --actor agent-worker-1': { endless: { printed: /BuildSucceeded/ } },
    'drover events show build-1m8aperfahjkz4xf-2@0': there,
    'drover hooks add ci --on BuildFailed --on BuildSucceeded --webhook https://ci.example/drover': noHook,
    'drover hooks add ci --on BuildFailed --tag branch=main --webhook https://ci.example/drover --secret-file /etc/drover/ci.whsec':
      noHook,
    'drover hooks skip ci --event build-0r7k2m9q4abcdefg-12@4': parked,
    'drover hooks skip ci --reason "nobody needs them"': parked,
    'drover hooks retry-parked ci': parked,
    'drover hooks retry-parked ci --event build-0r7k2m9q4abcdefg-12@4': parked,
    'drover hooks replay ci --from build-0r7k2m9q4abcdefg-12@4': parked,
    'drover hooks test ci --event build-0r7k2m9q4abcdefg-12@4': takenHook,
    'drover mirror --from https://drover.example.org --to /srv/cache': {
      ...itemThere,
      endless: { printed: /items: 1\/1/ },
    },
    'drover replay status --until 2026-11-24T08:00:00Z': there,
    'drover replay queue --until 2026-11-24T08:00:00Z --tag branch=main': there,
    'drover replay queue --until 2h --state blocked': there,
    'drover replay --diff 2026-11-24 2026-11-25': sinceStart,
    'drover events export --from 2026-11-01 --until 2026-12-01 --type BuildFailed': sinceStart,
    'drover replay build 1m8aperfahjkz4xf-2 --until 0000000000004711': there,
    'drover replay item /nix/store/HASH-hello-2.12 --until 1d': there,
    'drover replay why 1m8aperfahjkz4xf-2 --until 3h': there,
    'drover tokens revoke TOKEN': {
      async ready() {
        const made = await drover('tokens create old --scope read --token-file old.token --json');
        return { TOKEN: JSON.parse(made).id };
      },
    },
    'drover login https://builds.example.org': withToken,
    'pass builds-token | drover login https://builds.example.org --name work': withToken,
    'DROVER_DATA=/var/lib/drover drover config check --json': { environment: () => ({ DROVER_DATA: path('data') }) },
    'drover views rebuild --data /var/lib/drover': stopped,
    'drover views verify --data /var/lib/drover': there,
    'drover log accept --data /var/lib/drover': stopped,
    'drover log reindex --data /var/lib/drover': stopped,
    'drover log pack --data /var/lib/drover': stopped,
    'drover log snapshot --data /var/lib/drover': there,
    'drover doctor coordinator --data /var/lib/drover -o json': stopped,
  };

  /** The words of an example, with what there is here for what they stand for. */
  function filled(argv: readonly string[], own: Readonly<Record<string, string>>): readonly string[] {
    const all: Readonly<Record<string, string>> = {
      'https://builds.example.org': url,
      'https://drover.example.org': url,
      'http://127.0.0.1:8745': url,
      '[::]:8745': '127.0.0.1:0',
      '/var/lib/drover/admin.token': running.adminTokenFile,
      '/var/lib/drover': path('data'),
      '/backup/drover': path('data'),
      '/etc/drover.toml': path('drover.toml'),
      '/etc/drover-agent.toml': path('agent.toml'),
      '/etc/drover/ci.whsec': path('ci.whsec'),
      '/srv/chroot': path('chroot'),
      '/var/cache/guix/publish': path('guix-publish'),
      '/srv/cache': path('mirror'),
      '/srv/publish': path('publish'),
      'HASH-hello-2.12.drv': good,
      'HASH-hello-2.12': goodItem,
      'HASH-x.drv': good,
      '…-hello-2.12.drv': good,
      'last-month.txt': 'checkpoint.txt',
      '0000000000004711': position,
      DRV: `/nix/store/${good}`,
      SUBMISSION: submissionOf(goodBuild),
      BUILD: failedBuild,
      ...own,
    };
    return argv.map((word) => {
      const key = Object.keys(all).find((text) => word.includes(text));
      return key === undefined ? word : word.replace(key, all[key] as string);
    });
  }

  async function runExample({ line, argv }: ExampleLine): Promise<void> {
    const plan = plans[line] ?? {};
    const words = filled(argv, (await plan.ready?.()) ?? {});
    const controller = new AbortController();
    const { io: outside, written } = testIo({
      environment: { ...environment(), ...plan.environment?.() },
      stdin: plan.stdin?.() ?? '',
      interrupted: controller.signal,
      interactive: plan.interactive === true,
    });
    // The log has the times of the real clock.
    let printing = Promise.withResolvers<void>();
    const told = (tell: (text: string) => void) => (text: string) => {
      tell(text);
      printing.resolve();
      printing = Promise.withResolvers();
    };
    const io = { ...outside, out: told(outside.out), err: told(outside.err), now: Date.now };
    const ended = runCli(words, io);
    if (plan.endless) {
      const { printed, wake } = plan.endless;
      let over = false;
      const whenOver = ended.then(() => {
        over = true;
      });
      while (!over && !printed.test(written.out + written.err))
        await (wake?.() ?? Promise.race([whenOver, printing.promise]));
      controller.abort('SIGINT');
    }
    const code = await ended;
    const said = `${line}\n→ drover ${words.join(' ')}: ${code}\n${written.out}\n${written.err}`;
    const isServer = argv[0] === 'coordinator';
    assert.equal(code, plan.endless && !isServer ? 130 : 0, said);
    assert.notEqual(written.out + written.err, '', said);
    if (!isServer) assert.doesNotMatch(written.err, /^drover: .*\([a-z-]+\)$/m, said);
  }

  it('all run, one after another', async () => {
    position = await positionNow();
    await next('LogCheckpointed');
    writeFileSync('checkpoint.txt', await drover('events checkpoint'));
    writeFileSync('audit-key.pub', await drover('events checkpoint --key'));
    const ran = new Set<string>();
    for (const example of examples) {
      if (ran.has(example.line) || example.line in elsewhere) continue;
      ran.add(example.line);
      await runExample(example);
    }
    assert.deepEqual(
      Object.keys(plans).filter((line) => !ran.has(line)),
      [],
    );
  });
});
