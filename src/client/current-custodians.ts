/** Who holds a submission's fragments today, and who held them before, by the ledger alone. */
import { custodiansCodec } from '../contracts/members-formats.ts'
import type { Anchor } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { type CustodianSet, custodianSet, holdersAfter } from '../fragments/holders.ts'
import { place } from '../fragments/placement.ts'
import { readFolder } from './folders.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'

interface History {
  /** Height of the newest set. */
  readonly newest: number
  /** All sets, ascending by the height from which each stands. */
  readonly sets: readonly { readonly height: number; readonly set: CustodianSet }[]
}

const histories = new WeakMap<LightPeer, History>()

/** The sets of custodians after a height, proven complete; of one network they are few, and read again only when there is a new one. */
export async function setsAfter(peer: LightPeer, height: number, options: CallOptions): Promise<CustodianSet[]> {
  const newest = (await peer.custodians(options)).height
  if (newest <= height) return []
  let history = histories.get(peer)
  if (history === undefined || history.newest < newest) {
    const { entries } = await peer.list(stateKey.allCustodians(), options)
    const sets = entries.map(([key, value]) => ({
      height: Number(new DataView(key.buffer, key.byteOffset).getBigUint64(1)),
      set: custodianSet(custodiansCodec.decode(value)),
    }))
    history = { newest, sets }
    histories.set(peer, history)
  }
  return history.sets.flatMap(({ height: from, set }) => (from > height ? [set] : []))
}

export interface CurrentCustodians {
  /** Today's holders, ascending by index; fewer than n where nobody may hold an index. */
  readonly holders: readonly MemberInfo[]
  /**
   * Those of today's holders that hold the index at which the anchor placed them. Only their refusals prove anything: one that
   * came in another's place refuses honestly until it is repaired.
   */
  readonly original: readonly MemberInfo[]
  /** Members that were holders before, removed ones included: they may have their fragments still. */
  readonly former: readonly MemberInfo[]
  /** The one index of everybody who holds or has held one, by id in hex. */
  readonly indices: ReadonlyMap<string, number>
}

/** The custodians of a submission, today's and those before. @throws EpioneError `not-found` where the folder does not exist */
export async function currentCustodians(
  peer: LightPeer,
  folderId: Uint8Array,
  { anchor, root }: { readonly anchor: Anchor; readonly root: Uint8Array },
  options: CallOptions,
): Promise<CurrentCustodians> {
  const folder = await readFolder(peer, folderId, options)
  if (folder === null) throw notFound()
  const custodians = await peer.custodiansAt(anchor.memberHeight, options)
  const policy = peer.parameters.policies[folder.policy]?.jurisdictions ?? null
  const request = { key: root, custodians, n: anchor.n, k: anchor.k, policy }
  const { custodians: today, entitled } = holdersAfter(request, await setsAfter(peer, anchor.memberHeight, options))
  const placed = place(request).custodians
  const members = new Map((await peer.members(options)).map(member => [toHex(member.id), member]))
  const infos = (ids: Iterable<string>): MemberInfo[] => [...ids].flatMap(id => members.get(id) ?? [])
  const holders = infos(today.flatMap(custodian => (custodian === undefined ? [] : [toHex(custodian.id)])))
  const original = infos(
    placed.flatMap(({ id }, index) => {
      const holder = today[index]
      return holder !== undefined && equalBytes(holder.id, id) ? [toHex(id)] : []
    }),
  )
  return { holders, original, former: infos(entitled.keys()).filter(member => !holders.includes(member)), indices: entitled }
}
