import { createRequire } from 'node:module';

/**
 * The client's own generated messages and service descriptions: the package does not export them with types that Node
 * can load, so they are required here, once.
 */
const require = createRequire(import.meta.url);
export const grpc: typeof import('@grpc/grpc-js') = require('@grpc/grpc-js');
export const streams: typeof import('@eventstore/db-client/generated/streams_pb.js') = require('@eventstore/db-client/generated/streams_pb.js');
export const shared: typeof import('@eventstore/db-client/generated/shared_pb.js') = require('@eventstore/db-client/generated/shared_pb.js');
export const status: typeof import('@eventstore/db-client/generated/status_pb.js') = require('@eventstore/db-client/generated/status_pb.js');
export const features: typeof import('@eventstore/db-client/generated/serverfeatures_pb.js') = require('@eventstore/db-client/generated/serverfeatures_pb.js');
export const {
  StreamsService,
}: typeof import('@eventstore/db-client/generated/streams_grpc_pb.js') = require('@eventstore/db-client/generated/streams_grpc_pb.js');
export const {
  ServerFeaturesService,
}: typeof import('@eventstore/db-client/generated/serverfeatures_grpc_pb.js') = require('@eventstore/db-client/generated/serverfeatures_grpc_pb.js');
export const { Any }: { Any: { new (): PackedAny } } = require('google-protobuf/google/protobuf/any_pb.js');

/** The part of google.protobuf.Any that is used here. */
export interface PackedAny {
  pack(bytes: Uint8Array, type: string): void;
}
