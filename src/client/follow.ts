/**
 * What happens to folders, as it happens: the ledger's events from receipts that blocks are proven to hold. The state counts a folder's
 * events, so that a node which keeps one to itself is found out, and another is asked. Whoever stops goes on later by the number.
 */
import { counterCodec } from '../contracts/members-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { eventsResponseCodec, MAX_EVENTS, MAX_QUERY_KEYS } from '../network/light-messages.ts'
import { waitForBlock } from './heads.ts'
import type { AsOf, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** An event of a folder. */
export interface FolderEvent {
  readonly folder: Uint8Array
  /** Position among the folder's events, from 1. */
  readonly number: number
  /** Such as `access.opened`; `decodeEventData` reads `data`. */
  readonly name: string
  readonly data: Uint8Array
  readonly transaction: Uint8Array
  readonly height: number
  /** Time of the block, in ms. */
  readonly time: number
}

export interface FollowOptions extends CallOptions {
  /** Number of the first event of a folder that is wanted; where it gives nothing, what happens from now on. */
  fromEvent?: (folder: Uint8Array) => number | undefined
  /** Told whenever it is known that nothing else has happened up to a block. */
  onHeard?: (asOf: AsOf) => void
}

/**
 * Events of folders, each folder's in order and without a gap, without end until the signal is aborted.
 * @throws EpioneError `event-withheld` where every node that answers keeps an event to itself that the state counts (metadata `number`),
 * `pruned` where none has its block any more; the signal's reason
 */
export async function* follow(peer: LightPeer, folders: readonly Uint8Array[], options: FollowOptions = {}): AsyncGenerator<FolderEvent> {
  const next = new Map<string, number>()
  for (;;) {
    const { counts, asOf } = await eventCounts(peer, folders, options)
    for (const [i, folder] of folders.entries()) {
      const name = toHex(folder)
      const count = counts[i] as number
      let number = next.get(name) ?? options.fromEvent?.(folder) ?? count + 1
      while (number <= count) {
        for (const event of await eventsFrom(peer, folder, number, options)) {
          yield event
          number = event.number + 1
        }
      }
      next.set(name, number)
    }
    options.onHeard?.(asOf)
    await waitForBlock(peer, asOf.height, options)
  }
}

/** How many events the state counts of each folder, and of which height that is: of the oldest of several answers. */
async function eventCounts(
  peer: LightPeer,
  folders: readonly Uint8Array[],
  options: CallOptions,
): Promise<{ counts: number[]; asOf: AsOf }> {
  const counts: number[] = []
  let oldest: AsOf | undefined
  for (let at = 0; at < folders.length; at += MAX_QUERY_KEYS) {
    const keys = folders.slice(at, at + MAX_QUERY_KEYS).map(folder => stateKey.folderEvents(folder))
    const { values, asOf } = await peer.read(keys, options)
    counts.push(...values.map(value => (value === null ? 0 : counterCodec.decode(value))))
    if (oldest === undefined || asOf.height < oldest.height) oldest = asOf
  }
  return { counts, asOf: oldest ?? (await peer.head(options)).asOf }
}

/** A folder's events from a number on that the state counts already: one at least. */
export async function eventsFrom(peer: LightPeer, folder: Uint8Array, from: number, options: CallOptions = {}): Promise<FolderEvent[]> {
  return await peer.nodes.ask(
    { type: 'events', value: { folder, from, limit: MAX_EVENTS } },
    async bytes => {
      const found: FolderEvent[] = []
      for (const proven of eventsResponseCodec.decode(bytes)) {
        const { header, receipt } = await peer.checkReceipt(proven, options)
        for (const { name, subject, index, data } of receipt.events) {
          if (!equalBytes(subject, folder) || index < from) continue
          if (index !== from + found.length) throw withheld(from + found.length)
          const { transaction } = receipt
          found.push({ folder, number: index, name, data, transaction, height: header.height, time: header.time })
        }
      }
      if (found.length === 0) throw withheld(from)
      return found
    },
    options,
  )
}

function withheld(number: number): EpioneError {
  return new EpioneError('event-withheld', `The nodes that answer keep event ${number} of the folder to themselves.`, {
    metadata: { number },
  })
}
