import { withIsoTimes } from '../output/iso-times.ts';

/** One JSON object that is written while its last but one field, an array, still grows: whole once `end` was called, and valid JSON then. */
export interface GrowingDocument {
  begin(fields: object): void;
  add(element: object): void;
  /** No effect where it was not begun, or has ended. */
  end(fields: object): void;
}

/** @param print writes a line. */
export function createDocument(array: string, print: (line: string) => void): GrowingDocument {
  let state: 'new' | 'open' | 'ended' = 'new';
  let separator = ' ';
  const inner = (fields: object): string => JSON.stringify(withIsoTimes(fields)).slice(1, -1);
  return {
    begin(fields) {
      state = 'open';
      print(`{${inner(fields)},`);
      print(`"${array}":[`);
    },
    add(element) {
      print(separator + JSON.stringify(withIsoTimes(element)));
      separator = ',';
    },
    end(fields) {
      if (state !== 'open') return;
      state = 'ended';
      const rest = inner(fields);
      print(rest === '' ? ']}' : `],${rest}}`);
    },
  };
}
