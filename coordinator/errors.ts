/**
 * The one registry of errors that a client, an agent or an operator can be told: code, HTTP status, title.
 * docs/errors.md lists exactly these (a test compares). A message says what was expected and what came.
 */
export const errorCodes = {
  // Authentication and authorisation.
  'token-missing': [401, 'A token is needed'],
  'token-unknown': [401, 'The token is not known or was revoked'],
  'scope-insufficient': [403, 'The token may not do this'],
  'session-ended': [401, 'The session has ended'],
  'foreign-page': [403, 'A page of another origin may not do this'],
  // Input.
  'invalid-request': [400, 'The request does not have the expected form'],
  'body-too-large': [413, 'The body is larger than the limit'],
  'too-many-requests': [429, 'Too many requests at a time'],
  'unsupported-media-type': [415, 'The body is of another media type than expected'],
  'not-found': [404, 'There is nothing here'],
  'dashboard-not-made': [404, 'The pages of the dashboard were not made'],
  'internal-error': [500, 'Something went wrong inside Drover'],
  // Derivations and submissions.
  'malformed-derivation': [422, 'Not a derivation in ATerm form'],
  'wrong-derivation-path': [422, "The derivation's path is not the one its content determines"],
  'wrong-output-path': [422, 'An output path is not the one the derivation determines'],
  'input-missing': [422, 'An input derivation is missing from the closure'],
  'unknown-input-output': [422, 'An input derivation has no such output'],
  'unsupported-kind': [422, 'A kind of derivation that is not supported yet'],
  'too-large': [422, 'Larger than the limit'],
  'unknown-derivation': [422, 'The derivation was not sent'],
  'wrong-store-dir': [422, 'Of another store directory than this coordinator'],
  'idempotency-conflict': [409, 'The idempotency key was used for another request'],
  'submission-set-aside': [409, 'The coordinator stood still over this submission, and it was set aside'],
  'submission-not-set-aside': [409, 'The submission is not set aside'],
  'submission-canceled': [409, 'The submission was cancelled'],
  'submission-ended': [409, 'The submission has ended'],
  'submission-not-held': [409, 'The submission ended so long ago that this is not held any more'],
  'submission-not-queued': [409, 'Not all builds of the submission are made yet'],
  // Builds, agents, tokens, items.
  'unknown-build': [404, 'There is no such build'],
  'unknown-submission': [404, 'There is no such submission'],
  'unknown-agent': [404, 'There is no such agent'],
  'unknown-token': [404, 'There is no such token'],
  'last-admin-token': [409, 'It is the last token of scope admin'],
  'unknown-item': [404, 'There is no such store item'],
  'item-needed': [409, 'The store item is needed'],
  'no-roots': [409, 'No root keeps anything'],
  'collection-under-way': [409, 'A collection is under way'],
  'unknown-root': [404, 'There is no such root'],
  'unknown-root-target': [404, 'The root does not keep this'],
  'root-in-configuration': [409, 'The root is kept by the configuration'],
  'unknown-upstream': [404, 'There is no such upstream'],
  'upstream-failed': [502, 'An upstream does not give what it said that it has'],
  'unknown-event': [404, 'There is no such event'],
  'position-ahead': [409, 'The log ends before this position'],
  'build-ended': [409, 'The build has ended'],
  'log-damaged': [500, 'The log of a build is damaged'],
  'build-not-ended': [409, 'The build has not ended'],
  'build-not-queued': [409, 'The build is with an agent'],
  'agent-exists': [409, 'There is an agent of that name'],
  'agent-retired': [409, 'The agent was removed'],
  'not-your-attempt': [403, 'The attempt is not allocated to this agent'],
  'stale-attempt': [409, 'The attempt is over'],
  'output-unverified': [409, 'An output was not uploaded, or is not the one the derivation determines'],
  // Uploads.
  'unknown-upload': [404, 'There is no such upload'],
  'wrong-offset': [409, 'The upload goes on at another offset'],
  'malformed-nar': [422, 'Not a well-formed NAR'],
  'wrong-nar-hash': [422, 'The NAR has another hash than declared'],
  'wrong-nar-size': [422, 'The NAR has another size than declared'],
  'wrong-references': [422, 'The NAR has other references than declared'],
  'wrong-compression': [422, 'The file is not compressed as declared'],
  'not-your-upload': [403, 'The upload belongs to somebody else'],
  'upload-busy': [409, 'Another request is writing to the upload'],
  'too-many-uploads': [429, 'Too many uploads at a time'],
  'not-content-addressed': [422, "The path is not the one that the source's content determines"],
  'item-exists': [409, 'The item is there already'],
  'output-awaited': [409, 'A build is about to make this item'],
  'hash-part-taken': [409, 'There is another item with the same hash part'],
  'references-missing': [409, 'What the item refers to is not available'],
  'malformed-narinfo': [422, 'Not a well-formed narinfo'],
  'nar-missing': [409, 'The NAR was not sent, or is gone'],
  // Hooks.
  'unknown-hook': [404, 'There is no such hook'],
  'hook-exists': [409, 'There is a hook of that name'],
  'hook-in-configuration': [409, 'The hook is declared in the configuration'],
  'hook-not-usable': [422, 'The hook cannot work as it is'],
  'hook-event-not-held': [409, 'The hook does not hold this event'],
  // The views.
  'views-rebuilding': [409, 'The views are being rebuilt already'],
  // Moments that are over.
  'past-unchangeable': [405, 'What is over cannot be changed'],
  'moment-not-ready': [503, 'The log is being read up to this moment'],
  'moment-failed': [503, 'The log could not be read up to this moment'],
  'too-many-moments': [503, 'Too many moments at a time'],
  'moments-disabled': [404, 'This coordinator shows no moments that are over'],
  // The agent link.
  'malformed-frame': [400, 'Not a frame of the agent link'],
  'frame-too-large': [413, 'A frame is larger than the limit'],
  'protocol-unsupported': [400, 'A version of the agent link that is not supported'],
  'upgrade-missing': [426, 'The request did not ask for a WebSocket'],
  superseded: [409, 'The agent opened a newer link'],
  'agent-in-use': [409, "Another process uses the agent's token"],
  // The coordinator itself.
  'disk-full': [507, 'The disk is full'],
  'pool-unavailable': [503, 'The pool takes no files at the moment'],
  'store-unavailable': [503, 'The event store cannot be written or read at the moment'],
  'not-ready': [503, 'The coordinator is not ready'],
} as const satisfies Record<string, readonly [status: number, title: string]>;

export type ErrorCode = keyof typeof errorCodes;

/** A refusal on its way to whoever asked. `code` survives copies of the package; test it instead of the class. */
export class DroverError extends Error {
  override readonly name = 'DroverError';
  readonly code: ErrorCode;
  /** More for programs, for example `{ offset: 1024 }`. */
  readonly details: Readonly<Record<string, unknown>>;
  constructor(
    code: ErrorCode,
    message: string,
    details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** What is wrong with one field of a request, as programs are told of those that do not have their form (`errors`). */
export function wrongField(field: string, expected: string, got: string): DroverError {
  return new DroverError('invalid-request', `${field}: expected ${expected}, got ${got}`, {
    errors: [{ field, expected, got }],
  });
}

/** Nothing is known of a build; its id may be a submission's, as they look alike. */
export function unknownBuild(id: string, isSubmission: boolean): DroverError {
  return new DroverError(
    'unknown-build',
    isSubmission
      ? `${id} is a submission, not a build; 'drover submissions show ${id}' says how its builds are`
      : `there is no build ${id}; 'drover builds list' names those that there are`,
  );
}

export function isDroverError(error: unknown): error is DroverError {
  return error instanceof Error && error.name === 'DroverError' && 'code' in error;
}
