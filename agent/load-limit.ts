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

interface Figure {
  readonly setting: string;
  readonly what: string;
  readonly unit: string;
  readonly now: number | undefined;
  readonly most: number | undefined;
}

function figuresOf({ load1, pressure = {} }: MachineLoad, limits: LoadLimits): readonly Figure[] {
  const { cpu, memory, io } = pressure;
  const pressureOn = (setting: string, where: string, now: number | undefined, most: number | undefined): Figure => ({
    setting,
    what: `pressure on the ${where}`,
    unit: ' %',
    now,
    most,
  });
  return [
    { setting: 'max-load', what: 'load', unit: '', now: load1, most: limits.maxLoad },
    pressureOn('max-cpu-pressure', 'CPU', cpu, limits.maxCpuPressure),
    pressureOn('max-memory-pressure', 'memory', memory, limits.maxMemoryPressure),
    pressureOn('max-io-pressure', 'disks', io, limits.maxIoPressure),
  ];
}

/** Why the machine takes nothing new, in words; `undefined` where it does. `was`: whether it took nothing a moment ago. */
export function loadExcess(load: MachineLoad, limits: LoadLimits, was: boolean): string | undefined {
  for (const { what, now, most, unit } of figuresOf(load, limits)) {
    if (now === undefined || most === undefined || now <= most * (was ? enough : 1)) continue;
    // Rounded: a reason that changes with every figure would be news each time.
    return `the ${what} is over ${most}${unit}`;
  }
  return undefined;
}

/** Settings that limit what this machine does not say: they have no effect. */
export function deafLimits(load: MachineLoad, limits: LoadLimits): readonly string[] {
  return figuresOf(load, limits).flatMap(({ setting, now, most }) =>
    most !== undefined && now === undefined ? [setting] : [],
  );
}
