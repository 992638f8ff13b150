import { narLimits } from '../../domain/store/nar-limits.ts';
import { createNarParser } from '../../domain/store/nar-parser.ts';

/** What is in the file that a NAR is; `undefined` where it is a folder or a link. @throws FormatError `malformed-nar` */
export function fileInNar(nar: Uint8Array): Uint8Array | undefined {
  let found: Uint8Array | undefined;
  const parser = createNarParser(nar.length, narLimits, {
    file(path, size, _executable, offset) {
      if (path.length === 0) found = nar.subarray(offset, offset + size);
    },
    symlink() {},
    directory() {},
    close() {},
  });
  parser.write(nar);
  parser.end();
  return found;
}
