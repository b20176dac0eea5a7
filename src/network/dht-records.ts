/**
 * Bounds what other members may have this node keep for the DHT: so many announcements each. kad-dht itself takes any number, for 48
 * hours each; a member that announces without end would fill the disks of all.
 */
import type { Datastore, Key } from 'interface-datastore'
import { EpioneError } from '../encoding/errors.ts'

/** Announcements that are kept for one member: what a custodian with so many submissions makes, all of which one node may be near to. */
export const MAX_RECORDS_OF_ONE = 500_000
/** kad-dht 16.4 keeps them under `/dht/provider/<key>/<peer id>`. */
const PROVIDER = /^\/dht\/provider\/[^/]+\/([^/]+)$/

/** Name of the member whose announcement a datastore's key holds; undefined for another key. */
function announcerOf(key: Key): string | undefined {
  return PROVIDER.exec(key.toString())?.[1]
}

/**
 * The same datastore, which refuses new announcements of a member that has `limit` of them here. One that is made anew takes no
 * more room. What is here is counted at the first announcement.
 * @param own peer id of this node, whose own announcements are as many as its submissions
 * @throws of `put`: EpioneError `too-many-announcements`
 */
export function boundedRecords(datastore: Datastore, own: string, limit = MAX_RECORDS_OF_ONE): Datastore {
  let counting: Promise<Map<string, number>> | undefined
  const count = async (): Promise<Map<string, number>> => {
    const counts = new Map<string, number>()
    for await (const key of datastore.queryKeys({ prefix: '/dht/provider' })) add(counts, announcerOf(key), 1)
    return counts
  }
  const put: Datastore['put'] = async (key, value, options) => {
    const announcer = announcerOf(key)
    if (announcer === undefined || announcer === own) return await datastore.put(key, value, options)
    counting ??= count()
    const counts = await counting
    if (await datastore.has(key)) return await datastore.put(key, value, options)
    if ((counts.get(announcer) ?? 0) >= limit) {
      throw new EpioneError('too-many-announcements', 'A member has announced more than is kept for one member.', { metadata: { limit } })
    }
    add(counts, announcer, 1)
    return await datastore.put(key, value, options)
  }
  const remove: Datastore['delete'] = async (key, options) => {
    const announcer = announcerOf(key)
    if (announcer !== undefined && announcer !== own && counting !== undefined && (await datastore.has(key)))
      add(await counting, announcer, -1)
    await datastore.delete(key, options)
  }
  return Object.create(datastore, { put: { value: put }, delete: { value: remove } })
}

function add(counts: Map<string, number>, name: string | undefined, change: number): void {
  if (name === undefined) return
  const left = (counts.get(name) ?? 0) + change
  if (left > 0) counts.set(name, left)
  else counts.delete(name)
}
