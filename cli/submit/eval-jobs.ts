import * as z from 'zod';
import { type Tags, tags as tagsSchema } from '../../domain/event.ts';
import { CliError } from '../output/cli-error.ts';
import type { Io } from '../output/io.ts';
import { chunksOf } from './standard-input.ts';

/** An attribute that has no derivation. */
export interface NotEvaluated {
  /** `release.x86_64-linux`; empty for the whole expression. */
  readonly attr: string;
  /** What the evaluator said. */
  readonly error: string;
}

/** What standard input names. */
export interface StandardInput {
  /** As they were named, in order; one may come twice. */
  readonly derivations: readonly string[];
  /** By derivation. */
  readonly tags: ReadonlyMap<string, Tags>;
  readonly notEvaluated: readonly NotEvaluated[];
}

/** Longest line, in characters: `--meta` puts descriptions of any length into one. */
const longestLine = 8 * 1024 * 1024;
/** So many attributes that are the same derivation are kept with it; more say nothing new. */
const mostAttributes = 16;
/** What is kept of the words of an evaluator for one attribute, in characters. */
const longestError = 10_000;

/**
 * A line of nix-eval-jobs; fields that are not named here (`name`, `system`, `outputs`, `meta`, …) say what the derivation says.
 * `error` may come with a derivation, as for an aggregate whose parts are missing. Source: README and src/worker.cc of nix-eval-jobs 2.34.
 */
const evalJob = z.union([
  z.object({ attr: z.string(), error: z.string() }),
  z.object({ attr: tagsSchema.valueType, drvPath: z.string().max(1000) }),
]);

/**
 * Reads standard input: a list of derivations with white space in between, or, where that begins with `{`, lines of nix-eval-jobs. A line that is
 * neither is refused by its number. Rejects when `signal` aborts, though nothing may come any more.
 */
export async function readStandardInput(stdin: Io['stdin'], signal: AbortSignal): Promise<StandardInput> {
  const derivations: string[] = [];
  const attributes = new Map<string, string[]>();
  const notEvaluated: NotEvaluated[] = [];
  let json: boolean | undefined;
  let number = 0;
  for await (const line of linesOf(stdin, signal)) {
    number++;
    if (line.trim() === '') continue;
    json ??= line.trimStart().startsWith('{');
    if (!json) {
      derivations.push(...line.split(/\s+/).filter((word) => word !== ''));
      continue;
    }
    const job = readJob(line, number);
    if ('error' in job) {
      notEvaluated.push({ attr: job.attr, error: job.error.slice(0, longestError) });
      continue;
    }
    derivations.push(job.drvPath);
    const known = attributes.get(job.drvPath);
    if (known === undefined) attributes.set(job.drvPath, [job.attr]);
    else if (known.length < mostAttributes && !known.includes(job.attr)) known.push(job.attr);
  }
  const tags = new Map([...attributes].map(([derivation, names]) => [derivation, attributeTags(names)]));
  return { derivations, tags, notEvaluated };
}

/** `attr`, and where several attributes are the same derivation `attr.2`, `attr.3`, … */
function attributeTags(names: readonly string[]): Tags {
  return Object.fromEntries(names.map((name, index) => [index === 0 ? 'attr' : `attr.${index + 1}`, name]));
}

function readJob(line: string, number: number): z.infer<typeof evalJob> {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw badLine(number, `expected a line of JSON, as nix-eval-jobs writes it, got ${(error as Error).message}`);
  }
  const parsed = evalJob.safeParse(value);
  if (parsed.success) return parsed.data;
  const { attr, drvPath } = (value ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof attr !== 'string') throw badLine(number, `attr: expected the name of an attribute, got ${kindOf(attr)}`);
  if (attr.length > 256) throw badLine(number, `attr: expected at most 256 characters, got ${attr.length}`);
  throw badLine(number, `drvPath: expected a derivation, or else the text of an error, got ${kindOf(drvPath)}`);
}

function kindOf(value: unknown): string {
  if (value === undefined) return 'none';
  const text = JSON.stringify(value);
  return text.length <= 80 ? text : `${text.slice(0, 80)}…`;
}

function badLine(number: number, message: string): CliError {
  const hint = 'nothing was submitted';
  return new CliError('wrong-line', `line ${number} of standard input: ${message}`, { hint, exitCode: 2 });
}

/** Lines without their ends. */
async function* linesOf(stdin: Io['stdin'], signal: AbortSignal): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  let number = 0;
  for await (const chunk of chunksOf(stdin, signal)) {
    const lines = (rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))).split('\n');
    rest = lines.pop() as string;
    number += lines.length;
    if (rest.length > longestLine) throw badLine(number + 1, `expected at most ${longestLine} characters, got more`);
    yield* lines;
  }
  yield rest + decoder.decode();
}
