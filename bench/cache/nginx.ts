import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from '../../test/support/free-port.ts';
import { requireProgram, startServer } from '../peers/server.ts';

/** nginx as the user of the bench, one process, serving a folder: sendfile, no access log, nothing else. */
export async function startNginx(dir: string, root: string): Promise<AsyncDisposable & { readonly url: URL }> {
  const program = requireProgram('nginx', 'nginx-light');
  const port = await freePort();
  const file = join(dir, 'nginx.conf');
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${dir}/${name};`,
  );
  await writeFile(
    file,
    `daemon off; master_process off; pid ${dir}/nginx.pid; error_log stderr notice;
events { worker_connections 2048; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; ${temporary.join(' ')}
  types { text/x-nix-narinfo narinfo; }
  default_type application/x-nix-nar;
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`,
  );
  const server = await startServer(
    program,
    ['-p', dir, '-c', file],
    /start worker process|using the "epoll" event method|OS: /,
  );
  return { url: new URL(`http://127.0.0.1:${port}/`), [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}
