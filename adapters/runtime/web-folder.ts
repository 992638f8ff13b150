import { fileURLToPath } from 'node:url';

/**
 * Where the pages of the dashboard are, if they were made: `dist/web` of the clone. The program in few files, whose modules are JavaScript, has them
 * in a folder beside its own.
 */
export function webFolder(): string {
  const place = import.meta.url.endsWith('.js') ? '../../../web' : '../../dist/web';
  return fileURLToPath(new URL(place, import.meta.url));
}
