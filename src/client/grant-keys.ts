/** The keys that a grant gives: its wrap opens the folder's key of an epoch, and that key opens those of all epochs before. */

import { consentCommitment, consentOpeningCodec } from '../contracts/consent-terms.ts'
import { type Consent, consentCodec } from '../contracts/consents-formats.ts'
import type { Folder } from '../contracts/folders-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { type SealingOpener, sealingOpener } from '../crypto/sealing.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { sealingContext, wrapHash } from '../fragments/formats.ts'
import { isPastOf, openPastKeys } from '../fragments/past-keys.ts'
import { folderRequestCodec, wrapResponseCodec } from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { deskGrant } from './desk.ts'
import { signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import { readFolder } from './folders.ts'
import type { Person, ShareCode } from './identity.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'
import type { Signer } from './signer.ts'

/** How often a grant is looked for whose line in the ledger changes meanwhile. */
const TRIES = 3

/** Whom a grant is for: the keys to which it is given. */
export interface GrantHolder {
  readonly signing: Signer
  readonly sealing: SealingOpener
  /** Where the grant may be had if no custodian gives it to this key; nowhere, if left out. */
  readonly elsewhere?: () => Promise<HeldGrant>
}

/** A person, or their organisation or role, for which the organisation's desk has the grant. */
export function personHolder(peer: LightPeer, person: Person, share: ShareCode, options: CallOptions): GrantHolder {
  const { signing, sealing } = person
  return { signing, sealing, elsewhere: async () => await deskGrant(peer, person, share.folder, share.consent, options) }
}

/** What the ledger says of a grant. */
interface GrantFacts {
  readonly folder: Folder
  readonly line: Consent
}

/** A grant as its grantee has it: wrapped to a key of theirs, and what opens the past to whoever has the wrapped key. */
export interface HeldGrant {
  readonly opening: Uint8Array
  readonly wrap: Uint8Array
  readonly past: Uint8Array | null
}

/** The keys of one grant. They follow it into new epochs: its folder's owner wraps the new key to whoever still may read. */
export class GrantKeys {
  readonly #peer: LightPeer
  readonly #holder: GrantHolder
  readonly #share: ShareCode
  readonly #options: CallOptions
  #opening = new Uint8Array(0)
  #epoch = -1
  #seed = new Uint8Array(0)
  #keys = new Map<number, SealingOpener>()
  /** Seeds of the epochs before, by their numbers. */
  #past: readonly Uint8Array[] = []

  private constructor(peer: LightPeer, holder: GrantHolder, share: ShareCode, options: CallOptions) {
    this.#peer = peer
    this.#holder = holder
    this.#share = share
    this.#options = options
  }

  /** Looks a grant up. @throws EpioneError `not-found`; `unsealing-failed` where it is wrapped to another key */
  static async find(peer: LightPeer, holder: GrantHolder, share: ShareCode, options: CallOptions): Promise<GrantKeys> {
    const keys = new GrantKeys(peer, holder, share, options)
    await keys.#look()
    return keys
  }

  /** The opening of the consent. */
  get opening(): Uint8Array {
    return this.#opening
  }

  /** The last epoch that the grant is known to reach, and the private half of the folder's key of it. */
  get newest(): { readonly epoch: number; readonly seed: Uint8Array } {
    return { epoch: this.#epoch, seed: this.#seed }
  }

  /** The folder's key of an epoch; undefined for one that the grant does not reach. */
  async keyOf(epoch: number): Promise<SealingOpener | undefined> {
    // A version of a newer epoch is shown to whom the grant reached there.
    if (epoch > this.#epoch) await this.#look()
    const seed = this.#past[epoch]
    if (!this.#keys.has(epoch) && seed !== undefined) this.#keys.set(epoch, sealingOpener(seed))
    return this.#keys.get(epoch)
  }

  /** The private half of the folder's key of an epoch; undefined for one that the grant does not reach. */
  async seedOf(epoch: number): Promise<Uint8Array | undefined> {
    if (epoch > this.#epoch) await this.#look()
    return epoch === this.#epoch ? this.#seed : this.#past[epoch]
  }

  async #look(): Promise<void> {
    for (let tries = 1; ; tries++) {
      const facts = await this.#facts()
      try {
        return await this.#take(facts)
      } catch (error) {
        // The grant may have gone into a new epoch between the two questions.
        if (tries === TRIES || equalBytes((await this.#facts()).line.wrapHash, facts.line.wrapHash)) throw error
      }
    }
  }

  async #facts(): Promise<GrantFacts> {
    const { folder: id, consent } = this.#share
    const [value, folder] = await Promise.all([
      this.#peer.readOne(stateKey.consent(id, consent), this.#options),
      readFolder(this.#peer, id, this.#options),
    ])
    if (value === null || folder === null) throw notFound()
    return { folder, line: consentCodec.decode(value) }
  }

  /** From the custodians for whom the grant names, or else where the holder may have it, as from their organisation's desk for a role. */
  async #take(facts: GrantFacts): Promise<void> {
    const [peer, holder, share, options] = [this.#peer, this.#holder, this.#share, this.#options]
    const { line } = facts
    const grant = (await askCustodians(peer, holder, share, facts, options)) ?? (await holder.elsewhere?.())
    if (grant === undefined || !opens(grant, line)) throw notFound()
    const context = sealingContext.grant(peer.chainId, share.folder, line.epoch, line.commitment)
    const seed = Uint8Array.from(holder.sealing.open(grant.wrap, context))
    const key = sealingOpener(seed)
    this.#past = pastOf(peer, share, facts, key, grant)
    this.#keys = new Map([[line.epoch, key]])
    this.#epoch = line.epoch
    this.#seed = seed
    this.#opening = Uint8Array.from(grant.opening)
  }
}

/** The seeds of the epochs before the grant's, by their numbers; none where they are not to be had: versions of its own epoch open without. */
function pastOf(
  peer: LightPeer,
  { folder: id }: ShareCode,
  { folder, line }: GrantFacts,
  key: SealingOpener,
  { past }: HeldGrant,
): Uint8Array[] {
  if (past === null || !isPastOf(folder, line.epoch, past)) return []
  try {
    return openPastKeys(key, past, { chainId: peer.chainId, folder: id, epoch: line.epoch })
  } catch {
    // Not as the owner left it, which the ledger can no longer tell for an epoch that has passed.
    return []
  }
}

/** Whether the opening is that of the consent: a custodian can show any. */
function opens(grant: { opening: Uint8Array }, line: Consent): boolean {
  return equalBytes(consentCommitment(consentOpeningCodec.decode(grant.opening)), line.commitment)
}

/** The first grant with its past that a custodian shows, or else the first. */
async function askCustodians(
  peer: LightPeer,
  { signing }: GrantHolder,
  share: ShareCode,
  { folder, line }: GrantFacts,
  options: CallOptions,
): Promise<HeldGrant | undefined> {
  let first: HeldGrant | undefined
  for (const custodian of await folderCustodians(peer, share.folder, folder, options)) {
    const ask = await signAsk(peer, signing, { folder: share.folder, consent: share.consent, custodian })
    const request = folderRequestCodec.encode({ type: 'get-wrap', value: ask })
    try {
      const answer = wrapResponseCodec.decode(
        await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
          ...options,
          maxResponse: wrapResponseCodec.maxBytes,
        }),
      )
      if (!equalBytes(wrapHash(answer.wrap), line.wrapHash) || !opens(answer, line)) continue
      if (isPastOf(folder, line.epoch, answer.past)) return answer
      first ??= answer
    } catch {
      options.signal?.throwIfAborted()
    }
  }
  return first
}
