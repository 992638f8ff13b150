import { existsSync, readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

const maps = new Map<string, SourceMap | undefined>();

/**
 * A stack, or a line of one, whose places in files of the package are named as those of the sources that they were made of, `cli/main.ts:9:3`, by
 * the source map beside each. In a clone there is none, and nothing to change.
 */
export function inSources(stack: string): string {
  return stack.replace(/(file:\/\/)?(\/[^\s()]+\.js):(\d+):(\d+)/g, (place, scheme, path, line, column) => {
    const origin = mapOf(scheme ? fileURLToPath(`file://${path}`) : path)?.findOrigin(Number(line), Number(column));
    if (origin === undefined || !('fileName' in origin)) return place;
    return `${origin.fileName.replace(/^(?:\.\.\/)+/, '')}:${origin.lineNumber}:${origin.columnNumber}`;
  });
}

function mapOf(file: string): SourceMap | undefined {
  if (!maps.has(file))
    maps.set(
      file,
      existsSync(`${file}.map`) ? new SourceMap(JSON.parse(readFileSync(`${file}.map`, 'utf8'))) : undefined,
    );
  return maps.get(file);
}
