/** The store of libp2p: the DHT's records outlive a restart, what it remembers of peers does not. */
import { MemoryDatastore, MountDatastore } from 'datastore-core'
import { LevelDatastore } from 'datastore-level'
import { type Datastore, Key } from 'interface-datastore'

/**
 * libp2p writes its memory of a peer at every stream that is opened, each write waits for the disk, and the stream waits for the
 * write: kept on disk, that alone held a node to some fifty requests a second. Members' addresses are this node's to keep anyway.
 */
export async function openDatastore(path: string): Promise<{ store: Datastore; close(): Promise<void> }> {
  const level = new LevelDatastore(path)
  await level.open()
  const store = new MountDatastore([
    { prefix: new Key('/peers'), datastore: new MemoryDatastore() },
    { prefix: new Key('/dht'), datastore: level },
  ])
  return { store, close: async () => await level.close() }
}
