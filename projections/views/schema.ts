import { hash } from 'node:crypto';

/**
 * The tables of the views. `seq` counts the rows of a table in the order of the log, so newest first is `seq`
 * downwards, and a page goes on where `seq` is below the last one seen.
 */

/** `last`: the last event that is in the views, as a LogMark in JSON; `events`: how many are. */
const meta = `
CREATE TABLE meta (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  checkpoint TEXT,
  last TEXT,
  events INTEGER NOT NULL DEFAULT 0
) STRICT`;

/** Some of the log's events, by which those around them are found. `number`: counted from the first event, which is 1; `at`: its time. See mark-writes.ts. */
const marks = `
CREATE TABLE marks (
  seq INTEGER PRIMARY KEY,
  number INTEGER NOT NULL,
  position TEXT NOT NULL,
  at INTEGER NOT NULL
) STRICT`;

const derivations = `
CREATE TABLE derivations (
  id INTEGER PRIMARY KEY,
  hash TEXT NOT NULL UNIQUE,
  path TEXT NOT NULL,
  name TEXT NOT NULL,
  system TEXT NOT NULL DEFAULT '',
  outputs TEXT NOT NULL DEFAULT '{}'
) STRICT`;

/** `changed_at`, `changed`: time and position of the last event of its stream. */
const builds = `
CREATE TABLE builds (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  derivation INTEGER NOT NULL REFERENCES derivations (id),
  system TEXT NOT NULL,
  submission TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'queued',
  reason TEXT NOT NULL,
  priority INTEGER NOT NULL,
  tags TEXT,
  options TEXT,
  attempt INTEGER NOT NULL DEFAULT 0,
  agent TEXT,
  submitted_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  failure_class TEXT,
  failure_message TEXT,
  changed_at INTEGER NOT NULL,
  changed TEXT NOT NULL
) STRICT`;

// Every index ends in the rowid, that is seq: the rows of one value come in the order of the list.
const buildsByState = 'CREATE INDEX builds_by_state ON builds (state)';
const buildsBySystem = 'CREATE INDEX builds_by_system ON builds (system)';
const buildsByAgent = 'CREATE INDEX builds_by_agent ON builds (agent) WHERE agent IS NOT NULL';
const buildsByDerivation = 'CREATE INDEX builds_by_derivation ON builds (derivation)';
const buildsByChange = 'CREATE INDEX builds_by_change ON builds (changed_at)';
// "What failed of my submission" is the question asked most, so it has an index of its own.
const buildsBySubmission = 'CREATE INDEX builds_by_submission ON builds (submission, state)';

// For feeds of results: not in the order of the list, but in that in which builds ended.
const buildsByEnd = 'CREATE INDEX builds_by_end ON builds (ended_at) WHERE ended_at IS NOT NULL';

/** Two terms per tag: `key` and `key=value`. */
const buildTags = `
CREATE TABLE build_tags (
  term TEXT NOT NULL,
  seq INTEGER NOT NULL,
  PRIMARY KEY (term, seq)
) STRICT, WITHOUT ROWID`;

// The trigrams alone narrow a search down; whoever reads compares the name itself.
const buildNames = `
CREATE VIRTUAL TABLE build_names USING fts5 (name, tokenize = 'trigram', content = '', detail = 'none', columnsize = 0)`;

/** Up to which `seq` the names of a list are in its full-text index; those after it are looked through. See name-writes.ts. */
const named = `
CREATE TABLE named (
  list TEXT PRIMARY KEY,
  seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID`;

const attempts = `
CREATE TABLE attempts (
  build TEXT NOT NULL,
  attempt INTEGER NOT NULL,
  agent TEXT NOT NULL,
  allocated_at INTEGER NOT NULL,
  started_at INTEGER,
  ended_at INTEGER,
  outcome TEXT NOT NULL DEFAULT 'running',
  failure_class TEXT,
  failure_message TEXT,
  log_bytes INTEGER,
  PRIMARY KEY (build, attempt)
) STRICT, WITHOUT ROWID`;

/** Builds that ended at other coordinators. */
const earlierSources = `
CREATE TABLE earlier_sources (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE
) STRICT`;
const earlierBuilds = `
CREATE TABLE earlier_builds (
  seq INTEGER PRIMARY KEY,
  source INTEGER NOT NULL REFERENCES earlier_sources (id),
  id TEXT NOT NULL,
  derivation INTEGER NOT NULL REFERENCES derivations (id),
  outcome TEXT NOT NULL,
  system TEXT,
  agent TEXT,
  submitted_at INTEGER,
  started_at INTEGER,
  ended_at INTEGER,
  message TEXT,
  recorded_at INTEGER NOT NULL,
  UNIQUE (id, source)
) STRICT`;
const earlierByDerivation = 'CREATE INDEX earlier_by_derivation ON earlier_builds (derivation)';

/** `first_root`: base name of the derivation that it asked for first; there may be none before SubmissionRootsAdded. */
const submissions = `
CREATE TABLE submissions (
  seq INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  received_at INTEGER NOT NULL,
  queued_at INTEGER,
  roots INTEGER NOT NULL,
  first_root TEXT,
  reason TEXT NOT NULL,
  set_aside TEXT,
  canceled_at INTEGER,
  canceled_by TEXT,
  canceled_reason TEXT
) STRICT`;

/** Builds of others that a submission joined. */
const joined = `
CREATE TABLE joined (
  submission TEXT NOT NULL,
  build TEXT NOT NULL,
  PRIMARY KEY (submission, build)
) STRICT, WITHOUT ROWID`;

/** How many builds of a submission are in each state. */
const submissionCounts = `
CREATE TABLE submission_counts (
  submission TEXT PRIMARY KEY,
  queued INTEGER NOT NULL DEFAULT 0,
  allocated INTEGER NOT NULL DEFAULT 0,
  running INTEGER NOT NULL DEFAULT 0,
  succeeded INTEGER NOT NULL DEFAULT 0,
  failed INTEGER NOT NULL DEFAULT 0,
  canceled INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID`;

/** No `seq` comes twice, so that what has been named stays so. `store_dir`: NULL for the first one of the coordinator; `refs`: base names with a space between; `signatures`: a JSON array. */
const items = `
CREATE TABLE items (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  hash TEXT NOT NULL UNIQUE,
  path TEXT NOT NULL,
  store_dir TEXT,
  nar_hash TEXT NOT NULL,
  nar_size INTEGER NOT NULL,
  refs TEXT NOT NULL,
  deriver TEXT,
  ca TEXT,
  file_hash TEXT NOT NULL,
  file_size INTEGER NOT NULL,
  compression TEXT NOT NULL,
  signatures TEXT NOT NULL,
  guix_signature TEXT,
  added_at INTEGER NOT NULL,
  added_by TEXT NOT NULL,
  unpublished_at INTEGER,
  unpublished_until INTEGER,
  unpublished_by TEXT,
  unpublished_reason TEXT
) STRICT`;
const itemsByAdder = 'CREATE INDEX items_by_adder ON items (added_by)';
const itemsByDeriver = 'CREATE INDEX items_by_deriver ON items (deriver) WHERE deriver IS NOT NULL';
/** Where else in the cache something leads to an item, and to which. */
const itemAddresses = `
CREATE TABLE item_addresses (
  address TEXT NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (address, hash)
) STRICT, WITHOUT ROWID`;
const addressesByItem = 'CREATE INDEX item_addresses_by_item ON item_addresses (hash)';
const itemNames = `
CREATE VIRTUAL TABLE item_names USING fts5 (
  name, tokenize = 'trigram', content = '', detail = 'none', contentless_delete = 1
)`;
const itemRemoved = `
CREATE TRIGGER item_removed AFTER DELETE ON items BEGIN
  DELETE FROM item_names WHERE rowid = old.seq AND old.seq <= (SELECT seq FROM named WHERE list = 'items');
  DELETE FROM item_addresses WHERE hash = old.hash;
END`;

/** What an empty file is made with, in this order. */
export const schema: readonly string[] = [
  meta,
  marks,
  derivations,
  builds,
  buildsByState,
  buildsBySystem,
  buildsByAgent,
  buildsByDerivation,
  buildsBySubmission,
  buildsByChange,
  buildsByEnd,
  buildTags,
  buildNames,
  named,
  attempts,
  submissions,
  submissionCounts,
  joined,
  items,
  itemsByDeriver,
  itemsByAdder,
  itemAddresses,
  addressesByItem,
  itemNames,
  itemRemoved,
  earlierSources,
  earlierBuilds,
  earlierByDerivation,
];

/** Raise it where the same events give other rows in the same tables. */
const revision = 1;

/** Goes into the file's `user_version` (31 bits): another number there means the file is of no use. */
export const schemaVersion =
  Number.parseInt(hash('sha256', `${revision}\n${schema.join('\n')}`).slice(0, 8), 16) & 0x7fffffff;
