import type { ItemFilter, ItemRow, Page, Paging } from '../../../coordinator/ports/views.ts';
import type { SqlValue } from '../../../projections/views/write.ts';
import { readPaging } from './cursor.ts';
import type { Database } from './database.ts';
import { type ListPlan, readPage, type Source } from './list-page.ts';
import { nameHas, notNamed, searchName } from './name-search.ts';

const selectItem = 'SELECT * FROM items WHERE hash = ?1';
const selectItemsAt =
  'SELECT i.path FROM item_addresses AS a JOIN items AS i ON i.hash = a.hash WHERE a.address = ? ORDER BY i.seq';

export function readItems(db: Database, filter: ItemFilter, paging: Paging): Page<ItemRow> {
  const plan = planItems(filter);
  if (plan !== undefined) return readPage(db, plan, paging, toItemRow);
  readPaging('items', paging);
  return { rows: [] };
}

export function readItem(db: Database, hashPart: string): ItemRow | undefined {
  const raw = db.prepare(selectItem).get(hashPart);
  return raw && toItemRow(raw as Record<string, SqlValue>);
}

/** Base names of the items that an address leads to. */
export function readItemsAt(db: Database, address: string): readonly string[] {
  const rows = db.prepare(selectItemsAt).all(address) as { readonly path: string }[];
  return rows.map(({ path }) => path);
}

function planItems({ name = '', deriver, agent, since }: ItemFilter): ListPlan | undefined {
  const search = searchName(name);
  if (search === 'none') return undefined;
  const rest = search === 'all' ? [] : [nameHas('substr(i.path, 34)', search.part)];
  if (since !== undefined) rest.push({ sql: 'i.added_at >= ?', values: [since] });
  const table = { from: 'items AS i NOT INDEXED', seq: 'i.seq' };
  let sources: readonly Source[] = [{ ...table, where: [] }];
  const derived = { sql: 'i.deriver = ?', values: [deriver ?? null] };
  if (agent !== undefined) {
    const where = [{ sql: 'i.added_by = ?', values: [`agent-${agent}`] }];
    sources = [{ from: 'items AS i INDEXED BY items_by_adder', seq: 'i.seq', where }];
    if (deriver !== undefined) rest.push(derived);
  } else if (deriver !== undefined) {
    const where = [derived];
    sources = [{ from: 'items AS i INDEXED BY items_by_deriver', seq: 'i.seq', where }];
  } else if (search !== 'all' && search.match !== undefined) {
    const where = [{ sql: 'item_names MATCH ?', values: [search.match] }];
    const from = 'item_names CROSS JOIN items AS i ON i.seq = item_names.rowid';
    const others = [notNamed('items', 'i.seq'), nameHas('substr(i.path, 34)', search.part)];
    sources = [
      { from, seq: 'item_names.rowid', where },
      { ...table, where: others },
    ];
  }
  return { kind: 'items', columns: itemColumns, joins: '', sources, rest };
}

const itemColumns = `, i.path, i.store_dir, i.nar_hash, i.nar_size, i.refs, i.deriver, i.ca, i.file_hash, i.file_size, i.compression,
  i.signatures, i.guix_signature, i.added_at, i.added_by, i.unpublished_at, i.unpublished_until, i.unpublished_by, i.unpublished_reason`;

function toItemRow(raw: Record<string, SqlValue>): ItemRow {
  const refs = raw.refs as string;
  return {
    path: raw.path as string,
    ...(raw.store_dir === null ? {} : { storeDir: raw.store_dir as string }),
    narHash: raw.nar_hash as string,
    narSize: raw.nar_size as number,
    references: refs === '' ? [] : refs.split(' '),
    ...(raw.deriver === null ? {} : { deriver: raw.deriver as string }),
    ...(raw.ca === null ? {} : { ca: raw.ca as string }),
    file: {
      hash: raw.file_hash as string,
      size: raw.file_size as number,
      compression: raw.compression as ItemRow['file']['compression'],
    },
    signatures: JSON.parse(raw.signatures as string),
    ...(raw.guix_signature === null ? {} : { guixSignature: raw.guix_signature as string }),
    addedAt: raw.added_at as number,
    addedBy: raw.added_by as string,
    ...(raw.unpublished_at !== null && {
      unpublished: {
        at: raw.unpublished_at as number,
        until: raw.unpublished_until as number,
        by: raw.unpublished_by as string,
        reason: raw.unpublished_reason as string,
      },
    }),
  };
}
