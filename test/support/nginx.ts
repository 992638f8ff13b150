import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

/** Why there can be no nginx here, or `false`. */
export const noNginx: string | false =
  spawnSync('nginx', ['-v'], { stdio: 'ignore' }).error === undefined ? false : 'nginx is not installed';

const upgradeHeaders =
  'proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";';

/** nginx with its defaults before a server on 127.0.0.1, serving a folder, or with such locations: bodies of up to `maxBody`; WebSockets pass unless it is told nothing of them. */
export async function startNginx(
  folder: string,
  behind: number | { readonly root: string } | { readonly locations: string },
  maxBody: string,
  { webSockets = true } = {},
) {
  const port = await freePort();
  const file = join(folder, `nginx-${port}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const place =
    typeof behind === 'number'
      ? `proxy_pass http://127.0.0.1:${behind}; ${webSockets ? upgradeHeaders : ''}`
      : 'root' in behind && `root ${behind.root};`;
  const locations = typeof behind === 'object' && 'locations' in behind ? behind.locations : `location / { ${place} }`;
  await writeFile(
    file,
    `daemon off; master_process off; pid ${folder}/nginx-${port}.pid; error_log stderr notice;
events {}
http {
  access_log off; ${temporary.join(' ')}
  server {
    listen 127.0.0.1:${port}; client_max_body_size ${maxBody};
    ${locations}
  }
}
`,
  );
  const server = spawn('nginx', ['-p', folder, '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = once(server, 'exit');
  let said = '';
  const up = Promise.withResolvers<void>();
  server.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    if (/using the "epoll" event method|OS: /.test(said)) up.resolve();
  });
  await Promise.race([up.promise, exited.then(() => Promise.reject(new Error(`nginx did not start: ${said}`)))]);
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.kill();
      await exited;
    },
  };
}
