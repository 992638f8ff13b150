import type { Command } from 'commander';
import { buildStates } from '../../coordinator/ports/views.ts';
import { standings } from '../../domain/build/standing.ts';
import type { Io } from '../output/io.ts';
import { type FieldFlags, type Place, placeOption } from '../output/place.ts';

/** Which builds a command is about: those that meet every condition. */
export interface BuildFilters {
  readonly state?: readonly string[];
  readonly system?: string;
  readonly name?: string;
  readonly agent?: string;
  readonly submission?: string;
  readonly derivation?: string;
  readonly tag?: string;
  readonly since?: Place;
}

/** The states that lists of builds can be asked for. */
export const buildStateWords = `${buildStates.join(', ')}; of what is queued also ${standings.join(', ')}; building: allocated or running`;

/** The flags of {@link addBuildFilters}, by the fields of the API. */
export const buildFilterFlags: FieldFlags = {
  system: '--system',
  name: '--name',
  agent: '--agent',
  submission: '--submission',
  derivation: '--derivation',
  tag: '--tag',
  from: '--since',
  since: '--since',
};

/** All but `--state`, which means other states for each command. */
export function addBuildFilters(command: Command, io: Io): Command {
  return command
    .option('--system <system>', 'for example x86_64-linux')
    .option('--name <part>', "part of the derivation's name")
    .option('--agent <agent>', 'agent of the last attempt')
    .option('--submission <id>', 'builds of one submission')
    .option('--derivation <drv>', 'builds of one derivation, by its base name')
    .option('--tag <tag>', 'key, or key=value')
    .option(
      '--since <place>',
      'builds whose last event came after this position, or at this time (2026-11-25T20:00:00Z, 2h) or later',
      placeOption(io.now),
    );
}
