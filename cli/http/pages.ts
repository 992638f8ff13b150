import type { Query } from '../../client/http.ts';
import type { Page } from '../../coordinator/ports/views.ts';
import { CliError } from '../output/cli-error.ts';
import { printable } from '../output/text.ts';
import type { Client } from './client.ts';
import { notADrover } from './not-drover.ts';

/** Most rows that a page may have. */
const limit = 1000;

/** All rows of a list, page by page. Ends, with an error, where a page leads back to one that was there before. */
export async function* eachRow<Row>(client: Client, path: string, query: Query): AsyncGenerator<Row> {
  const seen = new Set<string>();
  let after: string | undefined;
  do {
    const page: Page<Row> = await client.get(path, { ...query, limit, after });
    yield* page.rows;
    after = page.next;
    if (after === undefined) return;
    if (seen.has(after))
      throw new CliError(
        'unexpected-answer',
        `${path}: expected a page that comes after ${printable(JSON.stringify(after))}, got that one again`,
        { hint: notADrover },
      );
    seen.add(after);
  } while (true);
}
