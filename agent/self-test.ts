import { buffer } from 'node:stream/consumers';
import type { Randomness } from '../coordinator/ports/runtime.ts';
import { type Derivation, serializeDerivation } from '../domain/store/derivation.ts';
import { createDerivationHasher } from '../domain/store/derivation-hash.ts';
import { formatHash } from '../domain/store/hash-text.ts';
import { writeNar } from '../domain/store/nar-writer.ts';
import { sha256 } from '../domain/store/sha256.ts';
import { makeStorePath, makeTextPath } from '../domain/store/store-path.ts';
import type { FitnessCheck } from './fitness.ts';
import type { Builder, NarIntake, SubstituteIntake } from './ports/builder.ts';
import { trialProgram } from './trial-program.ts';

export interface SelfTestOptions {
  readonly builder: Builder;
  /** That the agent builds for, for example `x86_64-linux`. */
  readonly system: string;
  /** Whether builds have to run in a sandbox. */
  readonly sandbox: boolean;
  /** Who the agent is to the daemon, for messages. */
  readonly user: string;
  readonly random: Randomness;
}

const name = 'drover-self-test';
const ownPath = new RegExp(`[0-9abcdfghijklmnpqrsvwxyz]{32}-${name}`, 'g');
/** Reads its input with nothing but a shell. In a sandbox of Nix the builder is process 1 of its own namespace. */
const script = 'read -r line < "$input"; echo "$line $$" > "$out"';

/** Adds an item to the store, builds a trivial derivation with it, and reads what came of it: what every attempt does. */
export function selfTest(options: SelfTestOptions): FitnessCheck {
  const { builder, user } = options;
  const { storeDir } = builder;

  async function run(signal: AbortSignal): Promise<void> {
    const { trusted } = await builder.circumstances();
    if (trusted === false) throw new Error(distrusted(user));
    const nonce = Buffer.from(options.random.bytes(16)).toString('hex');
    const made = await step('cannot add to the store', () =>
      builder.intake.by === 'nars'
        ? withShell(builder.intake, nonce, signal)
        : withProgram(builder.intake, nonce, signal),
    );
    if (made === undefined) return;

    await using session = await builder.open(signal);
    await session.hold([...made.inputs, made.path, made.output]);
    const log: Uint8Array[] = [];
    const outcome = await session.build({
      derivationPath: made.path,
      derivation: made.derivation,
      inputs: made.inputs,
      timeoutSeconds: 60,
      maxSilentSeconds: 60,
      maxLogBytes: 64 * 1024,
      signal,
      onLog: (chunk) => void log.push(chunk),
    });
    if (outcome.status === 'canceled') throw new Error('the build of a trivial derivation was stopped');
    if (outcome.status === 'failed') {
      const said = Buffer.concat(log).toString('latin1').trim();
      const message = `${outcome.message}${said === '' ? '' : ` (it said: ${said})`}`;
      throw new Error(builder.intake.by === 'nars' ? explained(message, user) : `a trivial build failed: ${message}`);
    }

    const built = await step('cannot read from the store', () => contentsOf(made.output, signal));
    const own = new RegExp(`^${nonce} (\\d+)\n$`).exec(built);
    if (own === null) throw new Error(`the output of a trivial build: expected ${nonce}, got ${JSON.stringify(built)}`);
    if (options.sandbox && own[1] !== '1')
      throw new Error(builder.intake.by === 'nars' ? withoutSandbox : withoutGuixSandbox);
  }

  /** A derivation that reads an input with a shell of the sandbox. */
  async function withShell(intake: NarIntake, nonce: string, signal: AbortSignal): Promise<Trial> {
    const input = await addText(intake, `${nonce}\n`, signal);
    const made = derivationOf({ builder: '/bin/sh', args: ['-euc', script], input }, options.system, storeDir);
    // Its own path does not matter to a daemon, but has to look like one.
    const path = makeStorePath('text', sha256(input).toString('hex'), `${name}.drv`, storeDir);
    return { ...made, path, inputs: [input] };
  }

  /** One that runs a program from the store, as Guix has no shell beside it; nothing for systems for which there is no such program. */
  async function withProgram(intake: SubstituteIntake, nonce: string, signal: AbortSignal): Promise<Trial | undefined> {
    const program = trialProgram(options.system);
    if (program === undefined) return undefined;
    const input = await intake.addSource(`${name}-program`, await narOf(program, true), signal);
    const args = [`${nonce} 1\n`, `${nonce} 0\n`];
    const made = derivationOf({ builder: input, args, input }, options.system, storeDir);
    const path = await intake.addText(`${name}.drv`, serializeDerivation(made.derivation), [input], signal);
    return { ...made, path, inputs: [input] };
  }

  async function addText(intake: NarIntake, text: string, signal: AbortSignal): Promise<string> {
    const digest = sha256(text);
    const path = makeTextPath(`${name}-input`, digest, [], storeDir);
    const nar = await narOf(text);
    await intake.addItem(
      {
        path,
        narHash: formatHash({ algo: 'sha256', digest: sha256(nar) }),
        narSize: nar.length,
        references: [],
        ca: `text:${formatHash({ algo: 'sha256', digest })}`,
        signatures: [],
      },
      (async function* () {
        yield nar;
      })(),
      signal,
    );
    return path;
  }

  /** Text of the regular file at `path`, by its NAR. */
  async function contentsOf(path: string, signal: AbortSignal): Promise<string> {
    const info = await builder.pathInfo(path, signal);
    if (info === undefined) throw new Error(`${path}: expected what was built just now, got nothing`);
    const nar = await buffer(builder.dump(info, signal));
    const start = (await narOf('')).lastIndexOf(Buffer.from('contents')) + 'contents'.length;
    const size = Number(nar.readBigUInt64LE(start));
    const text = nar.toString('latin1', start + 8, start + 8 + size);
    if (!nar.equals(await narOf(text))) throw new Error(`${path}: expected the NAR of a file, got other bytes`);
    return text;
  }

  return {
    what: 'builder',
    // Each try is of its own paths; the same complaint about others is no news.
    run: (signal) =>
      run(signal).catch((error: Error) => {
        throw new Error(error.message.replaceAll(ownPath, `…-${name}`), { cause: error });
      }),
  };
}

async function narOf(contentsOf: string | Uint8Array, executable = false): Promise<Buffer> {
  const bytes = typeof contentsOf === 'string' ? Buffer.from(contentsOf, 'latin1') : contentsOf;
  const contents = async function* () {
    yield bytes;
  };
  return buffer(writeNar({ type: 'regular', executable, size: bytes.length, contents }));
}

interface Trial {
  readonly derivation: Derivation;
  readonly output: string;
  readonly path: string;
  readonly inputs: readonly string[];
}

interface TrialProgram {
  readonly builder: string;
  readonly args: readonly string[];
  readonly input: string;
}

function derivationOf({ builder, args, input }: TrialProgram, system: string, storeDir: string) {
  const withOutput = (path: string): Derivation => ({
    outputs: [{ name: 'out', path, hashAlgo: '', hash: '' }],
    inputDerivations: [],
    inputSources: [input],
    system,
    builder,
    args,
    env: [
      ['input', input],
      ['out', path],
    ],
  });
  const hashes = createDerivationHasher({ storeDir, lookup: () => undefined }).hash(
    // A path that is blanked for the hash; it must not be empty, which would mean "not known".
    withOutput(input),
    name,
  );
  if ('failed' in hashes) throw new Error(`expected a derivation without inputs, got ${hashes.failed}`);
  const output = hashes.outputPaths.get('out') as string;
  return { output, derivation: withOutput(output) };
}

async function step<Value>(what: string, work: () => Promise<Value>): Promise<Value> {
  try {
    return await work();
  } catch (error) {
    throw new Error(`${what}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  }
}

function distrusted(user: string): string {
  return `the Nix daemon does not trust the user ${user}, and builds what agents ask for only for users that it trusts: add ${user} to trusted-users in its nix.conf and restart the daemon`;
}

const withoutSandbox =
  'builds run without a sandbox: set "sandbox = true" in the nix.conf of the daemon and restart it, or set "sandbox = false" for this agent if what it builds may see and change the machine';

const withoutGuixSandbox =
  'builds run without a sandbox: start guix-daemon without --disable-chroot, or set "sandbox = false" for this agent if what it builds may see and change the machine';

/** What to do about the failures that a machine itself can cause. */
function explained(message: string, user: string): string {
  if (/not privileged to/.test(message)) return distrusted(user);
  const failed = `a trivial build failed: ${message}`;
  // Paths in it name folders and derivations as they please: only what is said about them counts.
  const said = message.replaceAll(/'[^']*'/g, '');
  return /namespace|start build process|clon|unshar|pivot|mount|chroot|sandbox|Operation not permitted/i.test(said)
    ? `${failed}; a sandbox needs the right to make namespaces and to mount: run the agent as root with CAP_SYS_ADMIN (a container needs to be privileged), or set "sandbox = false" for this agent if what it builds may see and change the machine`
    : failed;
}
