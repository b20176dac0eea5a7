/** Who is a member now. The ledger decides it; the network only keeps the last answer. */
import { compareBytes, toHex } from '../encoding/bytes.ts'
import { NETWORK_KEY_LENGTH } from './peer.ts'

export interface Member {
  readonly networkKey: Uint8Array
  readonly validator: boolean
  /** Where it listens, as multiaddrs. */
  readonly addresses?: readonly string[]
}

/** Who may speak a protocol. */
export type Policy = 'validators' | 'members' | 'anyone'

export class Members {
  #byKey: ReadonlyMap<string, Member> = new Map()

  /** Replaces the set. The first of two entries with one key counts; an entry whose key is no key counts for nothing. */
  set(members: readonly Member[]): void {
    const byKey = new Map<string, Member>()
    for (const member of members) {
      const key = toHex(member.networkKey)
      if (member.networkKey.length === NETWORK_KEY_LENGTH && !byKey.has(key)) byKey.set(key, member)
    }
    this.#byKey = byKey
  }

  /** By the hex of the network key. */
  get(key: string): Member | undefined {
    return this.#byKey.get(key)
  }

  isMember(key: string): boolean {
    return this.#byKey.has(key)
  }

  isValidator(key: string): boolean {
    return this.#byKey.get(key)?.validator === true
  }

  allows(policy: Policy, key: string): boolean {
    if (policy === 'anyone') return true
    return policy === 'members' ? this.isMember(key) : this.isValidator(key)
  }

  /** In the order of the network keys. */
  list(): readonly Member[] {
    return [...this.#byKey.values()].sort((a, b) => compareBytes(a.networkKey, b.networkKey))
  }
}
