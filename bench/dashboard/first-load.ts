import { get } from 'node:http';
import type { Row } from '../row.ts';

/** Bytes of the page and of what it names, as they are served to a browser. */
export async function firstLoad(origin: string): Promise<Row> {
  const page = await load(`${origin}/`, 'identity');
  const names = [...page.toString().matchAll(/(?:src|href)="(\/assets\/[^"]+)"/g)].map(([, name]) => name as string);
  const sizes = new Map<string, number>();
  for (const name of ['/', ...new Set(names)])
    sizes.set(name, (await load(`${origin}${name}`, 'gzip, deflate, br')).length);
  const note = [...sizes].map(([name, size]) => `${name.replace(/^.*\/(\w+)-.*\./, '$1.')} ${size}`).join(', ');
  const sum = [...sizes.values()].reduce((all, one) => all + one, 0);
  return {
    key: 'dashboard-load',
    name: 'first load of the dashboard',
    value: sum / 1000,
    unit: 'kB',
    note: `${note} bytes`,
  };
}

/** The body as it comes over the wire. */
function load(url: string, encodings: string): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const headers = { accept: 'text/html', 'accept-encoding': encodings };
    get(url, { headers }, async (answer) => {
      if (answer.statusCode === 200) resolve(Buffer.concat(await answer.toArray()));
      else reject(new Error(`${url}: ${answer.statusCode}`));
    }).on('error', reject);
  });
}
