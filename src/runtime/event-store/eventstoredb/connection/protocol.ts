/**
 * EventStoreDB's gRPC protocol, from the definitions that `@eventstore/db-client` ships. The one file that imports them.
 *
 * Only the definitions: calls do not go through that package's `Client`, because an adapter that must say of every append
 * what became of it can't be built on it (6.2.1). Its reads have no deadline and no filter. Its batch append keeps what is
 * under way in one map for the whole process: when one connection breaks, appends of all others are told that they
 * failed, and the answer that comes for one of them later is thrown out of an event handler. An append that the server
 * never answers never settles. A failed look at the server's features is kept for ever. Closing leaves the channel open,
 * and a typing error in a connection string is printed together with the password.
 */

import gossip from '@eventstore/db-client/generated/gossip_pb.js';
import serverFeatures from '@eventstore/db-client/generated/serverfeatures_pb.js';
import shared from '@eventstore/db-client/generated/shared_pb.js';
import status from '@eventstore/db-client/generated/status_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';

export {
  GossipClient,
  GossipService,
  type IGossipServer,
} from '@eventstore/db-client/generated/gossip_grpc_pb.js';
export {
  type IServerFeaturesServer,
  ServerFeaturesClient,
  ServerFeaturesService,
} from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
export {
  type IStreamsServer,
  StreamsClient,
  StreamsService,
} from '@eventstore/db-client/generated/streams_grpc_pb.js';
export { gossip, serverFeatures, shared, status, streams };
