import { readFile } from 'node:fs/promises';

/** Pressure-stall figures of the kernel: the share of the last ten seconds in which some process waited, in per cent. */
export interface Pressure {
  readonly cpu?: number;
  readonly memory?: number;
  readonly io?: number;
}

/** What of it the kernel says; older ones, and those that are told not to, say nothing. Source: Documentation/accounting/psi.rst. */
export async function readPressure(folder = '/proc/pressure'): Promise<Pressure> {
  const of = async (name: string): Promise<number | undefined> => {
    const text = await readFile(`${folder}/${name}`, 'utf8').catch(() => '');
    const [, share] = /^some avg10=(\d+(?:\.\d+)?)/m.exec(text) ?? [];
    return share === undefined ? undefined : Number(share);
  };
  const [cpu, memory, io] = await Promise.all([of('cpu'), of('memory'), of('io')]);
  return {
    ...(cpu !== undefined && { cpu }),
    ...(memory !== undefined && { memory }),
    ...(io !== undefined && { io }),
  };
}
