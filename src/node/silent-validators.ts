/**
 * Validators that keep silent for want of a past wait for blocks, and an idle chain makes one only at each heartbeat: for that long one more
 * failure would stop it. So their word that they are silent is a reason for a block, up to a bound that makes it worthless to lie.
 */
import { toHex } from '../encoding/bytes.ts'
import type { Chain } from './chain.ts'
import type { Directory } from './directory.ts'
import type { PeerStatusService } from './peer-status.ts'

/** Blocks that one silence may bring about. */
const MAX_HEIGHTS = 3
/** Time in which one validator's silence counts once, in ms. */
const ONCE_IN_MS = 600_000

export interface SilentValidatorsDependencies {
  chain: Chain
  directory: Directory
  peerStatus: PeerStatusService
  now: () => number
}

export class SilentValidators {
  readonly #deps: SilentValidatorsDependencies
  /** By consensus key; validators alone. */
  readonly #counted = new Map<string, { through: number; atMs: number }>()

  constructor(dependencies: SilentValidatorsDependencies) {
    this.#deps = dependencies
  }

  /** Whether a block would bring a silent validator nearer to its first vote. */
  awaitBlocks(): boolean {
    const { chain, directory, peerStatus, now } = this.#deps
    const { height } = chain.tip.header
    const validators = chain.tip.validators.next.validators
    if (this.#counted.size > validators.length) this.#forgetOthers(validators)
    return validators.some(({ publicKey }) => {
      const member = directory.byConsensusKey(publicKey)
      const through = (member && peerStatus.get(member.organisation.networkKey)?.silentThrough) ?? -1
      if (through <= height || through > height + MAX_HEIGHTS) return false
      const name = toHex(publicKey)
      const counted = this.#counted.get(name)
      if (counted !== undefined && counted.through !== through && now() - counted.atMs < ONCE_IN_MS) return false
      if (counted?.through !== through) this.#counted.set(name, { through, atMs: now() })
      return true
    })
  }

  /** Forgets keys without a seat; the others' times stay, or each change of validators would make them worth a lie again. */
  #forgetOthers(validators: readonly { readonly publicKey: Uint8Array }[]): void {
    const seated = new Set(validators.map(({ publicKey }) => toHex(publicKey)))
    for (const name of this.#counted.keys()) if (!seated.has(name)) this.#counted.delete(name)
  }
}
