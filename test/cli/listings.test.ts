import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseAllDocuments as parseAllYaml, parse as parseYaml } from 'yaml';
import { withIsoTimes } from '../../cli/output/iso-times.ts';
import type { AgentStatus, FarmStatus, TokenInfo, Why } from '../../coordinator/application.ts';
import type { BuildDetail, BuildRow, ItemRow } from '../../coordinator/ports/views.ts';
import { fakeCoordinator, problem } from './support/fake-coordinator.ts';
import { run, testNow } from './support/run-cli.ts';

const derivation = `${'0'.repeat(32)}-hello-2.12.drv`;
const row: BuildRow = {
  id: 'b-1',
  derivation,
  system: 'x86_64-linux',
  submission: 's-1',
  state: 'failed',
  reason: 'requested',
  priority: 10,
  tags: { branch: 'main' },
  attempt: 2,
  agent: 'worker-1',
  submittedAt: testNow - 3_600_000,
  startedAt: testNow - 190_000,
  endedAt: testNow,
  failure: { class: 'builder-failed', message: 'exit code 1' },
  changedAt: 1,
};
const waiting: BuildRow = {
  ...row,
  id: 'b-22',
  state: 'queued',
  priority: -5,
  attempt: 0,
  agent: null,
  startedAt: null,
  endedAt: null,
  failure: null,
};
const detail: BuildDetail = {
  ...row,
  outputs: { out: `${'1'.repeat(32)}-hello-2.12` },
  attempts: [
    {
      attempt: 1,
      agent: 'worker-1',
      allocatedAt: testNow - 60_000,
      startedAt: testNow - 59_000,
      endedAt: testNow - 58_500,
      outcome: 'failed',
      failure: { class: 'builder-failed', message: 'exit code 1' },
      logBytes: 2048,
    },
  ],
  options: { maxAttempts: 2, timeoutSeconds: 3600 },
};
const agent: AgentStatus = {
  name: 'worker-1',
  state: 'connected',
  intake: 'accepting',
  operator: { said: 'active' },
  link: { state: 'connected', since: testNow - 60_000, place: { host: 'box', pid: 7, address: '10.0.0.7' } },
  recent: {
    attempts: 20,
    failed: 1,
    lastFailure: { build: 'b-9', attempt: 1, class: 'disk-full', message: 'no room\nat all', at: testNow - 60_000 },
  },
  abilities: { systems: ['x86_64-linux'], features: ['kvm'], mandatoryFeatures: [], slots: 4 },
  running: [{ build: 'b-1', attempt: 2, derivation }],
  heartbeat: { at: testNow - 4000, load1: 0.5, freeBytes: 3 * 1024 ** 3 },
};
const item: ItemRow = {
  path: `${'1'.repeat(32)}-hello-2.12`,
  narHash: `sha256:${'0'.repeat(52)}`,
  narSize: 300_000,
  references: [`${'2'.repeat(32)}-glibc`],
  deriver: derivation,
  file: { hash: `sha256:${'1'.repeat(52)}`, size: 100_000, compression: 'zstd' },
  signatures: ['drover-1:abc'],
  addedAt: testNow - 1000 * 86_400 * 3,
  addedBy: 'agent-worker-1',
};
const token: TokenInfo = { id: 't-1', name: 'ci', scope: 'submit', issuedAt: testNow, revoked: false };
const status: FarmStatus = {
  builds: {
    blocked: 3,
    waiting: 1,
    ready: 2,
    backoff: 0,
    deferred: 0,
    allocated: 1,
    running: 3,
    succeeded: 10,
    failed: 1,
    canceled: 0,
  },
  blocked: {
    failed: 3,
    canceled: 0,
    'no-build': 0,
    'source-missing': 0,
    'source-lost': 0,
    'text-lost': 0,
    'no-agent': 1,
  },
  ready: { 'x86_64-linux': 2 },
  unattended: {},
  derivations: 12,
  items: 34,
  agents: { connected: 1, registered: 2, slots: 4, busy: 3, excess: 0, away: 0 },
  position: '0000000042',
  pendingCommits: 0,
  uploads: { waiting: 0, refused: 0 },
};
const why: Why = {
  build: 'b-22',
  state: 'queued',
  summary: 'waits for 2 inputs',
  reason: 'inputs',
  blockers: [],
  total: 5,
  until: 'StoreItemAdded',
  inputs: [
    { item: `${'3'.repeat(32)}-fix.patch`, state: 'source-missing' },
    { item: `${'4'.repeat(32)}-zlib`, state: 'building', derivation, build: 'b-3' },
  ],
};

const fake = () =>
  fakeCoordinator({
    'GET /v1/builds': (request) => ({
      json: { rows: [row, waiting], ...(request.query.has('after') ? {} : { next: 'cursor' }) },
    }),
    'GET /v1/builds/b-1': () => ({ json: detail }),
    'GET /v1/builds/b-22/why': () => ({ json: why }),
    'GET /v1/agents': () => ({ json: { rows: [agent] } }),
    'GET /v1/agents/worker-1': () => ({ json: agent }),
    'POST /v1/agents': (request) => ({
      status: 201,
      json: { name: request.json<{ name: string }>().name, secret: 'sesame' },
    }),
    'POST /v1/agents/worker-1/rotate-token': () => ({
      status: 201,
      json: { name: 'worker-1', id: 't-2', secret: 'sesame', replaced: ['t-1'], until: testNow + 7_200_000 },
    }),
    'POST /v1/agents/worker-1/*': () => ({ json: agent }),
    'DELETE /v1/agents/worker-1': () => ({ json: agent }),
    'GET /v1/items': () => ({ json: { rows: [item] } }),
    'GET /v1/items/*': () => ({ json: item }),
    'GET /v1/tokens': () => ({ json: { rows: [token] } }),
    'POST /v1/tokens': () => ({ status: 201, json: { id: 't-2', secret: 'open' } }),
    'DELETE /v1/tokens/*': () => ({ status: 204, json: undefined }),
    'POST /v1/builds/b-1/cancel': () => ({ json: { canceled: 1, unwanted: 0, kept: 0, waiting: 0, builds: [] } }),
    'POST /v1/builds/b-1/retry': () => ({
      status: 201,
      json: { submission: 's-2', derivations: 0, builds: 1, available: 0, joined: [] },
    }),
    'POST /v1/builds/b-1/retry/preview': () => ({
      json: { retried: 1, underWay: 0, available: 0, builds: [], submissions: [] },
    }),
    'POST /v1/builds/b-1/*': () => ({ status: 204, json: undefined }),
    'GET /v1/status': () => ({ json: status }),
  });

describe('listings for people', () => {
  it('aligns builds, numbers to the right, times relative', async () => {
    await using server = await fake();
    const { code, out, err } = await run(['builds', 'list', '--url', server.url]);
    assert.equal(code, 0, err);
    assert.equal(
      out,
      [
        'BUILD  STATE   NAME        SYSTEM        PRIO  ATTEMPT  AGENT     SUBMITTED  TOOK    FAILURE',
        'b-1    failed  hello-2.12  x86_64-linux    10        2  worker-1  1h ago     3m 10s  builder-failed',
        'b-22   queued  hello-2.12  x86_64-linux    -5        0  -         1h ago     -       -',
        '',
      ].join('\n'),
    );
    assert.equal(err, 'There are more: add --after cursor\n');
  });

  it('passes filters and paging on', async () => {
    await using server = await fake();
    const flags = [
      '--state',
      'failed',
      '--state',
      'queued',
      '--system',
      'x',
      '--name',
      'n',
      '--agent',
      'a',
      '--submission',
      's',
      '--tag',
      'k=v',
    ];
    const { err } = await run([
      'builds',
      'list',
      '--url',
      server.url,
      ...flags,
      '--derivation',
      `/nix/store/${derivation}`,
      '--limit',
      '7',
      '--after',
      'c',
    ]);
    assert.equal(err, '');
    const query = Object.fromEntries(server.seen.find(({ path }) => path === '/v1/builds')?.query ?? []);
    const wanted = {
      state: 'failed,queued',
      system: 'x',
      name: 'n',
      agent: 'a',
      submission: 's',
      tag: 'k=v',
      derivation,
      limit: '7',
      after: 'c',
    };
    assert.deepEqual(query, wanted);
  });

  it('shows a build with its attempts', async () => {
    await using server = await fake();
    const { out } = await run(['builds', 'show', 'b-1', '--url', server.url]);
    assert.match(out, /^build: +b-1\n/);
    assert.match(out, /\nfailure: +builder-failed: exit code 1\n/);
    assert.match(out, /\noutput out: +1{32}-hello-2\.12\n/);
    assert.match(out, /\ntimeout: +1h\n/);
    assert.match(
      out,
      /\nATTEMPT {2}OUTCOME {2}AGENT {5}ALLOCATED {2}TOOK {3}LOG {6}FAILURE\n +1 {2}failed {3}worker-1 {2}1m ago {5}500ms {2}2\.0 KiB/,
    );
  });

  it('shows of a token that was revoked when, and by whom', async () => {
    const revoked = { ...token, revoked: true };
    const at = testNow - 60_000;
    const rows = [
      { ...revoked, revocation: { at, by: 't-2', name: 'admin' } },
      { ...revoked, id: 't-3', revocation: { at, by: 'coordinator' } },
      { ...token, id: 't-4', until: testNow + 60_000 },
    ];
    await using server = await fakeCoordinator({ 'GET /v1/tokens': () => ({ json: { rows } }) });
    const { out } = await run(['tokens', 'list', '--url', server.url]);
    const states = out.match(/(revoked|valid).*$/gm);
    assert.deepEqual(states, ['revoked 1m ago by admin', 'revoked 1m ago by coordinator', 'revoked in 1m']);
  });

  it('shows by whom one was cancelled, and why', async () => {
    const canceled = { by: 't-1', name: 'ci', at: testNow - 60_000, reason: 'wrong branch' };
    let build = { ...detail, state: 'canceled', failure: null, canceled: canceled as object };
    await using server = await fakeCoordinator({ 'GET /v1/builds/b-1': () => ({ json: build }) });
    const shown = async () => (await run(['builds', 'show', 'b-1', '--url', server.url])).out;
    assert.match(await shown(), /\ncanceled: +by ci \(t-1\) at [0-9TZ:.-]+ \(wrong branch\)\n/);
    build = { ...build, canceled: { by: 't-1', at: canceled.at, unwanted: true } };
    assert.match(await shown(), /\ncanceled: +at [0-9TZ:.-]+, as nobody wanted it any more\n/);
  });

  it('shows all lines of a message', async () => {
    const message = 'hash mismatch:\n  specified: a\n  got: b';
    const earlier = { ...detail.attempts[0], attempt: 2, failure: { class: 'unknown', message: 'one\ntwo' } };
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1': () => ({
        json: {
          ...detail,
          failure: { class: 'hash-mismatch', message },
          attempts: [{ ...detail.attempts[0], failure: { class: 'hash-mismatch', message } }, earlier],
        },
      }),
    });
    const { out } = await run(['builds', 'show', 'b-1', '--url', server.url]);
    assert.match(out, /\nfailure: +hash-mismatch\n/);
    assert.match(out, /\n {2}hash mismatch:\n {4}specified: a\n {4}got: b\n/);
    assert.match(out, /\n\nattempt 2:\n {2}one\n {2}two\n$/);
  });

  it('says why a build failed, with all lines of its message', async () => {
    const failure = { attempt: 2, class: 'disk-full', message: 'no room\nat all', agent: 'w', cause: 'several-agents' };
    await using server = await fakeCoordinator({
      'GET /v1/builds/b-1/why': () => ({
        json: { build: 'b-1', state: 'failed', reason: 'ended', summary: 'The build has failed.', failure },
      }),
      'GET /v1/builds/b-2/why': () => ({
        json: {
          build: 'b-2',
          state: 'queued',
          reason: 'back-off',
          summary: 'Waits.',
          failure,
          notBefore: 0,
          until: 'x',
        },
      }),
    });
    const ended = await run(['builds', 'why', 'b-1', '--url', server.url]);
    assert.equal(
      ended.out,
      'The build has failed.\nattempt:  2\nagent:    w\nfailure:  disk-full\n  no room\n  at all\n',
    );
    const resting = await run(['builds', 'why', 'b-2', '--url', server.url]);
    assert.match(resting.out, /\n {2}no room\n {2}at all\nnot before: /);
  });

  it('says why, with the inputs and how the wait ends', async () => {
    await using server = await fake();
    const { out } = await run(['builds', 'why', 'b-22', '--url', server.url]);
    assert.match(out, /^waits for 2 inputs\n/);
    assert.match(out, /fix\.patch +source that nobody has sent/);
    assert.match(out, /zlib +being built +b-3/);
    assert.match(out, /… and 3 more inputs\n/);
    assert.match(out, /The wait ends by itself, once these inputs are built\.\n$/);
  });

  it('says of every wait what a person can do, in commands and not in events', async () => {
    const base = { build: 'b-1', state: 'queued', summary: 'so', until: 'StoreItemAdded' } as const;
    const blockers = [
      { item: item.path, state: 'failed', build: 'b-7', waiting: 1, remedy: 'drover builds retry b-7' },
      {
        item: item.path,
        state: 'text-lost',
        derivation,
        build: 'b-8',
        waiting: 1,
        remedy: `drover submit ${derivation}`,
      },
    ] as const;
    const waits: readonly [Why, RegExp][] = [
      [{ ...base, reason: 'running', agent: 'a', attempt: 1 }, /by itself, when the attempt does\.\n$/],
      [{ ...base, reason: 'back-off', notBefore: testNow }, /by itself, at that time\.\n$/],
      [
        { ...base, reason: 'deferred', notBefore: testNow },
        /by itself, at that time; 'drover builds defer b-1 --until now' ends it at once\.\n$/,
      ],
      [
        { ...base, reason: 'inputs', inputs: [], total: 2, blockers },
        new RegExp(
          `ends once these are done:\n  drover builds retry b-7\n  drover submit ${derivation.replaceAll('.', '\\.')}\n$`,
        ),
      ],
      [
        { ...base, reason: 'text-lost', derivation, blockers: blockers.slice(1) },
        /once this is done:\n {2}drover submit \S+\.drv\n$/,
      ],
      [
        { ...base, reason: 'no-agent', system: 'x', features: [], agents: [], blockers: [] },
        /by itself, once an agent above takes builds again\.\n$/,
      ],
      [
        {
          ...base,
          reason: 'no-agent',
          system: 'x',
          features: [],
          agents: [],
          blockers: [{ item: item.path, state: 'no-agent', system: 'x', waiting: 1, remedy: 'drover agents resume a' }],
        },
        /once this is done:\n {2}drover agents resume a\nOr once an agent that fits is added and started: drover agents add NAME\n$/,
      ],
      [
        {
          ...base,
          reason: 'no-agent',
          system: 'x',
          features: [],
          agents: [],
          blockers: [{ item: item.path, state: 'no-agent', system: 'x', waiting: 1, remedy: 'drover agents add NAME' }],
        },
        /There are no agents\.\n\nThe wait ends once this is done:\n {2}drover agents add NAME\nand that agent fits, and is started with its token\.\n$/,
      ],
      [
        { ...base, reason: 'no-slot', agents: ['a'], ahead: 3 },
        /'drover builds prioritize b-1 N' brings it forward\.\n$/,
      ],
    ];
    for (const [answer, ending] of waits) {
      await using server = await fakeCoordinator({ 'GET /v1/builds/b-1/why': () => ({ json: answer }) });
      const { out } = await run(['builds', 'why', 'b-1', '--url', server.url]);
      assert.match(out, ending);
      assert.doesNotMatch(out, /StoreItem|Build[A-Z]/);
      const { out: asJson } = await run(['builds', 'why', 'b-1', '--json', '--url', server.url]);
      assert.equal(JSON.parse(asJson).until, 'StoreItemAdded', 'programs get the events');
    }
  });

  it('says why a retry of one build built nothing', async () => {
    const answer = { submission: 's-9', derivations: 0, builds: 0, available: 0, joined: ['s-8-1'] };
    for (const [result, said] of [
      [{ ...answer, builds: 1, joined: [] }, 'submission s-9: 1 built again\n'],
      [answer, 'submission s-9: nothing built again, as build s-8-1 of it is under way\n'],
      [{ ...answer, available: 1, joined: [] }, 'submission s-9: nothing built again, as the outputs are there\n'],
    ] as const) {
      await using server = await fakeCoordinator({
        'POST /v1/builds/b-1/retry': () => ({ status: 201, json: result }),
      });
      assert.equal((await run(['builds', 'retry', 'b-1', '--url', server.url])).out, said);
    }
  });

  it('shows a submission of which the times were forgotten, and says so', async () => {
    const counts = { queued: 0, allocated: 0, running: 0, succeeded: 2, failed: 0, canceled: 0 };
    const ended = { id: 's-1', receivedAt: testNow, queuedAt: testNow, state: 'succeeded', setAside: null, roots: 1 };
    const unblocked = { unfinished: 0, blocked: 0, agentless: 0, blockers: [], total: 0 };
    await using server = await fakeCoordinator({
      'GET /v1/submissions/s-1': () => ({ json: { ...ended, reason: 'requested', counts, ...unblocked } }),
      'GET /v1/submissions/s-1/times': () => ({ status: 409, json: problem(409, 'submission-not-held', 'long ago') }),
    });
    const show = ['submissions', 'show', 's-1', '--url', server.url];
    const { code, out, err } = await run(show);
    assert.equal(code, 0, err);
    assert.match(out, /^builds: +2 succeeded\n\nleft out: where its time went, .*builds list --submission s-1/m);
    assert.equal(JSON.parse((await run([...show, '--json'])).out).times, null);
  });

  it('says of a submission why it is not queued, and when that is tried again', async () => {
    const counts = { queued: 0, allocated: 0, running: 0, succeeded: 0, failed: 0, canceled: 0 };
    const received = { id: 's-1', receivedAt: testNow, queuedAt: null, state: 'under-way', setAside: null, roots: 1 };
    const unblocked = { unfinished: 0, blocked: 0, agentless: 0, blockers: [], total: 0 };
    const reason = 'the connection to NATS is lost';
    for (const [again, next] of [
      [testNow + 4000, 'in 4s'],
      [null, 'once its derivations are submitted again'],
    ] as const) {
      const json = { ...received, reason: 'retry', counts, ...unblocked, notQueued: { reason, again } };
      await using server = await fakeCoordinator({
        'GET /v1/submissions/s-1': () => ({ json }),
        'GET /v1/submissions/s-1/times': () => ({ json: { times: null } }),
      });
      const { code, out, err } = await run(['submissions', 'show', 's-1', '--url', server.url]);
      assert.equal(code, 0, err);
      assert.match(out, new RegExp(`^not queued: +${reason}; tried again ${next}$`, 'm'));
    }
  });

  it('says of a retry what keeps it from being built, with what would set it going', async () => {
    const answer = { submission: 's-9', derivations: 0, builds: 1, available: 0, joined: [] };
    const lost = { at: testNow, how: 'deleted', reason: 'collected: nothing needs it' };
    const remedy = 'drover submit abc-hello.drv';
    const source = { item: 'abc-src', state: 'source-lost', lost, waiting: 1, remedy };
    const blockage = { unfinished: 1, blocked: 1, agentless: 0, blockers: [source], total: 1 };
    await using server = await fakeCoordinator({
      'POST /v1/builds/b-1/retry': () => ({ status: 201, json: answer }),
      'POST /v1/submissions/s-1/retry': () => ({ status: 201, json: answer }),
      'GET /v1/submissions/s-9': () => ({ json: { id: 's-9', ...blockage } }),
      'GET /v1/builds': ({ query }) => {
        const isAsked = query.get('submission') === 's-9' && query.get('state') === 'deferred';
        const deferred = { ...row, id: 's-9-2', state: 'queued', standing: 'deferred' };
        return { json: { rows: isAsked ? [deferred] : [] } };
      },
    });
    for (const what of [
      ['builds', 'retry', 'b-1'],
      ['submissions', 'retry', 's-1'],
    ]) {
      const { code, out, err } = await run([...what, '--url', server.url]);
      assert.equal(code, 0, err);
      assert.match(out, /^submission s-9: 1 /);
      assert.match(err, /^s-9: 1 build is blocked.*\n.*a source that was deleted at .*\(collected: nothing needs it\)/);
      assert.ok(err.includes(remedy));
      assert.match(err, /^s-9: build s-9-2 is deferred, .* 'drover builds defer s-9-2 --until now' ends it$/m);
    }
  });

  it('says why no event was skipped or is delivered again: a hook whose events fail has none that are parked', async () => {
    for (const [failing, words] of [
      [0, /^.* None is parked\.\n$/],
      [2, /None is parked; 2 events fail: 'drover hooks show ci' names them, /],
    ] as const) {
      await using server = await fakeCoordinator({
        'POST /v1/hooks/ci/skip': () => ({ json: { skipped: 0 } }),
        'POST /v1/hooks/ci/retry-parked': () => ({ json: { retried: 0 } }),
        'GET /v1/hooks/ci': () => ({ json: { name: 'ci', counts: { failing, parked: 0 } } }),
      });
      for (const what of ['skip', 'retry-parked'])
        assert.match((await run(['hooks', what, 'ci', '--url', server.url])).out, words);
      const { out } = await run(['hooks', 'skip', 'ci', '-o', 'json', '--url', server.url]);
      assert.deepEqual(JSON.parse(out), { skipped: 0 });
    }
  });

  it('colours states only where colours are wanted', async () => {
    await using server = await fake();
    const plain = await run(['builds', 'list', '--url', server.url]);
    assert.ok(!plain.out.includes('\u001b'));
    const coloured = await run(['builds', 'list', '--url', server.url], { colour: true });
    assert.ok(coloured.out.includes('\u001b[31mfailed\u001b[39m'));
  });

  it('shows agents, items, tokens, status', async () => {
    await using server = await fake();
    const show = async (...words: string[]) => (await run([...words, '--url', server.url])).out;
    assert.match(
      await show('agents', 'list'),
      /worker-1 +connected +accepting +1\/4 +1 of 20 +x86_64-linux +kvm +4s ago/,
    );
    const shown = await show('agents', 'show', 'worker-1');
    assert.match(shown, /\nlast failure: +1m ago, attempt 1 of b-9: disk-full: no room …\n/);
    assert.match(shown, /\nfree disk: +3\.0 GiB\n\nb-9: no room\n {2}at all\n\nBUILD /);
    assert.match(await show('agents', 'show', 'worker-1'), /\nBUILD +NAME +ATTEMPT\nb-1 +hello-2\.12 +2\n/);
    assert.match(await show('items', 'list'), /1{32}-hello-2\.12 +293\.0 KiB +1 +hello-2\.12 +3d ago/);
    assert.match(
      await show('items', 'show', `/nix/store/${item.path}`),
      /\nreference: +2{32}-glibc\nsignature: +drover-1:abc\n/,
    );
    assert.match(await show('tokens', 'list'), /t-1 +ci +submit +- +now +valid/);
    const figures = await show('status');
    assert.match(
      figures,
      /^blocked: +3 \(failed 3, no-agent 1; some have several causes\); drover builds list --state blocked\n/,
    );
    assert.match(figures, /\nready: +2 \(x86_64-linux 2\)\n/);
  });

  it('names submissions that are cancelled by their whole ids, and as many documents of YAML', async () => {
    const nothing = { canceled: 0, unwanted: 0, kept: 0, waiting: 0, builds: [] };
    const ids = ['1m8aperfahjkz4xf', '1m8aperfahjkz4xg'] as const;
    await using server = await fakeCoordinator({
      'GET /v1/ids': () => ({ json: { rows: [{ id: ids[0], name: null }] } }),
      'POST /v1/submissions/*': () => ({ json: nothing }),
    });
    const cancel = ['submissions', 'cancel', '1m8ap', ids[1], '--url', server.url];
    assert.equal((await run(cancel)).out, ids.map((id) => `submission ${id}: nothing was left to cancel\n`).join(''));
    assert.deepEqual(
      parseAllYaml((await run([...cancel, '-o', 'yaml'])).out).map((document) => document.toJS()),
      [nothing, nothing],
    );
  });

  it('prints as many documents as things were named, for all that take several', async () => {
    const nothing = { canceled: 0, unwanted: 0, kept: 0, waiting: 0, builds: [] };
    const id = 's-1';
    await using server = await fakeCoordinator({
      'GET /v1/ids': () => ({ json: { rows: [] } }),
      'GET /v1/tokens': () => ({ json: { rows: [] } }),
      'DELETE /v1/tokens/*': () => ({ status: 204, json: undefined }),
      'POST /v1/builds/b-1/retry': () => ({ json: { submission: id, builds: 1, joined: [] } }),
      'POST /v1/builds/b-2/retry': () => ({ json: { submission: id, builds: 1, joined: [] } }),
      'POST /v1/builds/*': () => ({ json: nothing }),
    });
    for (const words of [
      'builds cancel b-1 b-2',
      'builds retry b-1 b-2',
      'builds defer b-1 b-2 --until now',
      'tokens revoke t-1 t-2',
    ]) {
      const command = [...words.split(' '), '--url', server.url];
      const yaml = await run([...command, '-o', 'yaml']);
      const documents = parseAllYaml(yaml.out);
      assert.deepEqual([documents.length, documents.flatMap(({ errors }) => errors)], [2, []], `${words} ${yaml.err}`);
      const json = await run([...command, '-o', 'json']);
      assert.equal(
        json.out
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line)).length,
        2,
        words,
      );
    }
  });

  it('says so where there is nothing', async () => {
    await using server = await fakeCoordinator({ 'GET /v1/builds': () => ({ json: { rows: [] } }) });
    assert.equal((await run(['builds', 'list', '--url', server.url])).out, 'No builds.\n');
  });
});

describe('listings for programs', () => {
  for (const [words, expected] of [
    ['builds list', { rows: [row, waiting], next: 'cursor' }],
    ['builds show b-1', detail],
    ['builds why b-22', why],
    ['agents list', { rows: [agent] }],
    ['agents show worker-1', agent],
    ['items list', { rows: [item] }],
    [`items show ${item.path}`, item],
    ['tokens list', { rows: [token] }],
    ['status', status],
  ] as const) {
    it(`drover ${words} --json gives the answer, with times as RFC 3339`, async () => {
      await using server = await fake();
      const { code, out, err } = await run([...words.split(' '), '--json', '--url', server.url]);
      assert.equal(code, 0, err);
      assert.equal(err, '');
      assert.deepEqual(JSON.parse(out), withIsoTimes(expected));
      const yaml = await run([...words.split(' '), '-o', 'yaml', '--url', server.url]);
      assert.deepEqual(parseYaml(yaml.out), withIsoTimes(expected));
    });
  }

  it('-o yaml keeps texts texts for those who read YAML 1.1, too', async () => {
    const tags = { debug: 'no', at: '12:30', big: '1_000', day: '2026-01-02', y: 'on' };
    await using server = await fakeCoordinator({ 'GET /v1/builds': () => ({ json: { rows: [{ ...row, tags }] } }) });
    const { out } = await run(['builds', 'list', '-o', 'yaml', '--url', server.url]);
    const [read] = parseYaml(out, { version: '1.1', schema: 'yaml-1.1' }).rows;
    assert.deepEqual(read.tags, tags);
    assert.equal(read.startedAt, '2026-01-02T03:00:55.000Z');
  });

  it('-o name gives an id or a name per row, and --json times that people read', async () => {
    await using server = await fake();
    for (const [words, expected] of [
      ['builds list', 'b-1\nb-22\n'],
      ['agents list', 'worker-1\n'],
      ['items list', `${item.path}\n`],
      ['tokens list', 't-1\n'],
      ['builds show b-1', 'b-1\n'],
    ] as const) {
      const { out, err } = await run([...words.split(' '), '-o', 'name', '--url', server.url]);
      assert.deepEqual([out, err], [expected, ''], words);
    }
    const { out } = await run(['builds', 'list', '-o', 'json', '--url', server.url]);
    assert.equal(JSON.parse(out).rows[0].startedAt, '2026-01-02T03:00:55.000Z');
    const none = await run(['status', '-o', 'name', '--url', server.url]);
    assert.equal(none.code, 2);
    assert.match(none.err, /Allowed choices are table, wide, json, yaml\./);
  });
});

it('has one line for each name, and for where a list goes on, whatever a coordinator says', async () => {
  const rows = [{ ...item, path: `${item.path}\nanother` }];
  await using server = await fakeCoordinator({ 'GET /v1/items': () => ({ json: { rows, next: 'i1\nanother' } }) });
  const names = await run(['items', 'list', '-o', 'name', '--url', server.url]);
  assert.equal(names.out, `${item.path}\\x0aanother\n`);
  const { err } = await run(['items', 'list', '--url', server.url]);
  assert.equal(err, 'There are more: add --after i1\\x0aanother\n');
});

describe('tables on a terminal', () => {
  const list = async (width: number, ...flags: string[]) => {
    await using server = await fake();
    return (await run(['builds', 'list', ...flags, '--url', server.url], { width, terminal: true })).out;
  };

  it('fit it: cells lose their middle, then minor columns go', async () => {
    const full = await list(200);
    assert.match(full, /^BUILD {2}STATE .* FAILURE$/m);
    for (let width = 100; width >= 20; width--)
      for (const line of (await list(width)).trimEnd().split('\n'))
        assert.ok(line.length <= width, `${width}: ${line}`);
    const narrow = await list(70);
    assert.match(narrow, /^BUILD {2}STATE {3}NAME .*FAILURE +…\nb-1 .* buil.*iled$/m);
    assert.doesNotMatch(narrow, /PRIO/);
    assert.match(await list(20), /^BUILD .*…\nb-1 /);
    // Of a time the middle is not less than the rest.
    await using server = await fakeCoordinator({
      'GET /v1/builds': () => ({ json: { rows: [{ ...row, submittedAt: testNow - 754_000 }] } }),
    });
    for (let width = 70; width <= 90; width++) {
      const { out } = await run(['builds', 'list', '--url', server.url], { width, terminal: true });
      assert.match(out, out.includes('SUBMITTED') ? /12m 34s ago/ : /^BUILD/, `${width}`);
      assert.match(out, /FAILURE/, `${width}`);
    }
  });

  it('-o wide shows all that there is', async () => {
    assert.match(await list(20, '-o', 'wide'), /^BUILD .* FAILURE .*TAGS .*DERIVATION\nb-1 .*branch=main/);
  });
});

describe('commands that change something', () => {
  it('ask for what they are told to', async () => {
    await using server = await fake();
    const steps: readonly (readonly [words: string, method: string, path: string, body: unknown])[] = [
      ['agents add worker-2', 'POST', '/v1/agents', { name: 'worker-2' }],
      ['agents rotate-token worker-1', 'POST', '/v1/agents/worker-1/rotate-token', { overlapSeconds: 3600 }],
      [
        'agents rotate-token worker-1 --overlap 2d',
        'POST',
        '/v1/agents/worker-1/rotate-token',
        { overlapSeconds: 172800 },
      ],
      ['agents rotate-token worker-1 --overlap 0', 'POST', '/v1/agents/worker-1/rotate-token', { overlapSeconds: 0 }],
      ['agents pause worker-1 --reason x', 'POST', '/v1/agents/worker-1/pause', { reason: 'x' }],
      ['agents resume worker-1', 'POST', '/v1/agents/worker-1/resume', {}],
      ['agents drain worker-1', 'POST', '/v1/agents/worker-1/drain', {}],
      ['agents remove worker-1', 'DELETE', '/v1/agents/worker-1', undefined],
      ['builds cancel b-1 --reason y', 'POST', '/v1/builds/b-1/cancel', { reason: 'y' }],
      ['builds prioritize b-1 50', 'POST', '/v1/builds/b-1/prioritize', { priority: 50 }],
      ['builds defer b-1 --until now', 'POST', '/v1/builds/b-1/defer', { until: null }],
      [
        'builds defer b-1 --until 2h --reason z',
        'POST',
        '/v1/builds/b-1/defer',
        { until: testNow + 7_200_000, reason: 'z' },
      ],
      ['builds cancel b-1 --with-dependents', 'POST', '/v1/builds/b-1/cancel', { dependents: true }],
      ['builds retry b-1', 'POST', '/v1/builds/b-1/retry', undefined],
      ['builds retry b-1 --dry-run', 'POST', '/v1/builds/b-1/retry/preview', undefined],
      ['tokens create ci --scope submit', 'POST', '/v1/tokens', { name: 'ci', scope: 'submit' }],
      ['tokens create worker-3 --scope agent', 'POST', '/v1/agents', { name: 'worker-3' }],
      ['tokens revoke t-1', 'DELETE', '/v1/tokens/t-1', undefined],
    ];
    for (const [words, method, path, body] of steps) {
      const { code, err } = await run([...words.split(' '), '--url', server.url]);
      assert.equal(code, 0, `${words}: ${err}`);
      // What is looked at afterwards changes nothing.
      const request = server.seen.findLast((one) => one.method !== 'GET');
      assert.deepEqual([request?.method, request?.path], [method, path], words);
      assert.deepEqual(request?.body.length === 0 ? undefined : request?.json(), body, words);
    }
  });

  it('say of an agent that left that it has to be started again, and of no other', async () => {
    for (const [state, link, words] of [
      ['disconnected', 'left', /^worker-1 was stopped: start it again on its machine, 'drover agent'/],
      ['lost', 'lost', /^worker-1 is not connected: see to its machine/],
      ['connected', 'connected', /^$/],
    ] as const) {
      await using server = await fakeCoordinator({
        'POST /v1/agents/worker-1/*': () => ({ json: { ...agent, state, link: { state: link, since: testNow } } }),
      });
      const resume = (...more: string[]) => run(['agents', 'resume', 'worker-1', '--url', server.url, ...more]);
      const { code, err } = await resume();
      assert.equal(code, 0);
      assert.match(err, words);
      assert.equal((await resume('--json')).err, '');
    }
  });

  it('print a new token alone on standard output, so that it can go into a file', async () => {
    await using server = await fake();
    const { out, err } = await run(['agents', 'add', 'worker-2', '--url', server.url]);
    assert.equal(out, 'sesame\n');
    assert.equal(err, 'This token is not shown again.\n');
  });
});
