import { execFileSync } from 'node:child_process';
import { chownSync, globSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Skipped } from '../row.ts';
import { findProgram, startServer } from './server.ts';

/**
 * A PostgreSQL of its own in a folder, which is also where its socket is; user `bench`, database `postgres`. It syncs each commit before it
 * answers, and is otherwise as it comes.
 */
export async function startPostgres(dir: string): Promise<AsyncDisposable> {
  const programs = findPostgres();
  const user = unprivileged();
  if (user) chownSync(dir, user.uid, user.gid);
  const data = join(dir, 'data');
  const initdb = ['-D', data, '-U', 'bench', '--auth=trust', '--encoding=UTF8', '--locale=C'];
  execFileSync(join(programs, 'initdb'), initdb, { ...user, cwd: dir, stdio: 'pipe' });
  const settings = ['listen_addresses=', `unix_socket_directories=${dir}`, 'fsync=on', 'synchronous_commit=on'];
  return startServer(
    join(programs, 'postgres'),
    ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    /ready to accept connections/i,
    { ...user, cwd: dir },
  );
}

/** Folder of the newest PostgreSQL server; Debian keeps it off PATH. */
function findPostgres(): string {
  const found = globSync('/usr/lib/postgresql/*/bin/postgres').sort(
    (a, b) => Number(version(b)) - Number(version(a)),
  )[0];
  const program = found ?? findProgram('postgres');
  if (program === undefined) throw new Skipped('needs a PostgreSQL server; on Debian: sudo apt-get install postgresql');
  return dirname(program);
}

function version(path: string): string {
  return /\/(\d+)\//.exec(path)?.[1] ?? '0';
}

/** PostgreSQL refuses to run as root: then as `postgres` or `nobody`. */
function unprivileged(): { uid: number; gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of ['postgres', 'nobody']) {
    try {
      const id = (flag: string): number =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }));
      return { uid: id('-u'), gid: id('-g') };
    } catch {
      // There is no such user.
    }
  }
  throw new Skipped('PostgreSQL does not run as root, and there is neither a user postgres nor nobody');
}
