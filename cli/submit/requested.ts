import type { BuildDetail, BuildRow, ItemRow, Page } from '../../coordinator/ports/views.ts';
import { parseDerivation } from '../../domain/store/derivation.ts';
import type { Client } from '../http/client.ts';
import { CliError } from '../output/cli-error.ts';
import type { DerivationSource } from './derivation-source.ts';
import { saidBaseName, saidOutputName } from './said-names.ts';

/** A derivation that was asked for, and which of its outputs. */
export interface Requested {
  /** Base name. */
  readonly derivation: string;
  /** All of them if absent. */
  readonly outputs?: ReadonlySet<string>;
}

/** Reads `DRV`, `DRV!out` (as nix-instantiate prints it) and `DRV^out,dev` (as newer Nix takes it), each derivation once. */
export function readRequests(named: readonly string[], source: DerivationSource): readonly Requested[] {
  const wanted = new Map<string, Set<string> | undefined>();
  for (const argument of named) {
    const [, path = argument, selection] = /^(.*\.drv)[!^]([^/]+)$/.exec(argument) ?? [];
    const derivation = source.resolve(path);
    const all = selection === undefined || selection === '*';
    if (all) wanted.set(derivation, undefined);
    else if (!wanted.has(derivation)) wanted.set(derivation, new Set(selection.split(',')));
    else for (const output of selection.split(',')) wanted.get(derivation)?.add(output);
  }
  for (const [derivation, outputs] of wanted) if (outputs !== undefined) checkOutputs(derivation, outputs, source);
  return [...wanted].map(([derivation, outputs]) => ({ derivation, ...(outputs && { outputs }) }));
}

/** That there are such outputs, where the derivation is here to say. */
function checkOutputs(derivation: string, wanted: ReadonlySet<string>, source: DerivationSource): void {
  const outputs = localOutputs(derivation, source);
  for (const output of wanted)
    if (outputs !== undefined && outputs[output] === undefined)
      throw new CliError(
        'wrong-use',
        `expected an output of ${derivation} (${Object.keys(outputs).join(', ')}), got ${output}`,
        { exitCode: 2 },
      );
}

/** Store paths of the outputs that were asked for, by their names; from the derivation where it is here, from its last build elsewhere. */
export async function outputsOf(
  { derivation, outputs }: Requested,
  build: string | undefined,
  source: Pick<DerivationSource, 'read' | 'storeDir'>,
  client: Client,
): Promise<Readonly<Record<string, string>>> {
  const all = localOutputs(derivation, source) ?? (await builtOutputs(derivation, build, source.storeDir, client));
  return Object.fromEntries(Object.entries(all).filter(([name]) => outputs?.has(name) ?? true));
}

function localOutputs(
  derivation: string,
  { read, storeDir }: Pick<DerivationSource, 'read' | 'storeDir'>,
): Record<string, string> | undefined {
  const text = read(derivation);
  if (text === undefined) return undefined;
  return Object.fromEntries(parseDerivation(text, { storeDir }).outputs.map(({ name, path }) => [name, path]));
}

async function builtOutputs(
  derivation: string,
  build: string | undefined,
  storeDir: string,
  client: Client,
): Promise<Record<string, string>> {
  const id = build ?? (await client.get<Page<BuildRow>>('/v1/builds', { derivation, limit: 1 })).rows[0]?.id;
  if (id === undefined) return {};
  const detail = await client.get<BuildDetail>(`/v1/builds/${encodeURIComponent(id)}`);
  const what = `outputs of ${derivation}`;
  const bases = Object.entries(detail.outputs).map(([name, base]) => [
    saidOutputName(name, what),
    saidBaseName(base, what),
  ]);
  const dir = (await storeDirOfItem(bases[0]?.[1], client)) ?? storeDir;
  return Object.fromEntries(bases.map(([name, base]) => [name, `${dir}/${base}`]));
}

/** The store directory of an item, where that is another one than the coordinator's first; a submission is watched by its id alone, whatever it is of. */
async function storeDirOfItem(base: string | undefined, client: Client): Promise<string | undefined> {
  if (base === undefined) return undefined;
  try {
    return (await client.get<Pick<ItemRow, 'storeDir'>>(`/v1/items/${encodeURIComponent(base)}`)).storeDir;
  } catch (error) {
    // What only an upstream has is in the first.
    if (error instanceof CliError && error.code === 'not-found') return undefined;
    throw error;
  }
}
