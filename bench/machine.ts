import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, release, tmpdir, totalmem, type } from 'node:os';

/** What the figures were measured on, as lines `name: value`. */
export function describeMachine(): [name: string, value: string][] {
  const [load = 0] = loadavg();
  const shared =
    load > availableParallelism() / 2 ? ': others were at work, what waits for a core is worse than alone' : '';
  return [
    ['processor', `${cpus()[0]?.model.trim() ?? 'unknown'}, ${availableParallelism()} cores`],
    ['memory', `${(totalmem() / 2 ** 30).toFixed(1)} GiB`],
    ['system', `${type()} ${release()}`],
    ['Node', process.version],
    ['disk', `${fileSystem(tmpdir())} (${tmpdir()})`],
    ['load', `${load.toFixed(2)} over the last minute, before the run${shared}`],
  ];
}

/** Device, file system and options of the mount that a folder is on. */
function fileSystem(dir: string): string {
  try {
    const device = execFileSync('df', ['--output=source,target', dir], { encoding: 'utf8' }).trim().split('\n').at(-1);
    const target = device?.split(/\s+/).at(-1);
    const mount = readFileSync('/proc/mounts', 'utf8')
      .split('\n')
      .map((line) => line.split(' '))
      .findLast((fields) => fields[1] === target);
    return mount ? `${mount[0]}, ${mount[2]}, ${mount[3]}` : (device ?? 'unknown');
  } catch {
    return 'unknown';
  }
}
