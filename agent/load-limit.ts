/** What there is of a machine's load; what is absent it does not say. */
export interface MachineLoad {
  readonly load1?: number;
  /** Share of the last ten seconds in which some process waited for it, in per cent. Source: `some avg10` of /proc/pressure. */
  readonly pressure?: { readonly cpu?: number; readonly memory?: number; readonly io?: number };
}

/** From what on a machine takes nothing new; absent: never. */
export interface LoadLimits {
  readonly maxLoad?: number | undefined;
  readonly maxCpuPressure?: number | undefined;
  readonly maxMemoryPressure?: number | undefined;
  readonly maxIoPressure?: number | undefined;
}

/** Once it is over a limit, it has to come down to this share of it: a figure that hovers about a limit changes nothing. */
const enough = 0.9;

/** Why the machine takes nothing new, in words; `undefined` where it does. `was`: whether it took nothing a moment ago. */
export function loadExcess(
  { load1, pressure = {} }: MachineLoad,
  limits: LoadLimits,
  was: boolean,
): string | undefined {
  const figures: readonly (readonly [what: string, now: number | undefined, most: number | undefined, unit: string])[] =
    [
      ['load', load1, limits.maxLoad, ''],
      ['pressure on the CPU', pressure.cpu, limits.maxCpuPressure, ' %'],
      ['pressure on the memory', pressure.memory, limits.maxMemoryPressure, ' %'],
      ['pressure on the disks', pressure.io, limits.maxIoPressure, ' %'],
    ];
  for (const [what, now, most, unit] of figures) {
    if (now === undefined || most === undefined || now <= most * (was ? enough : 1)) continue;
    // Rounded: a reason that changes with every figure would be news each time.
    return `the ${what} is over ${most}${unit}`;
  }
  return undefined;
}
