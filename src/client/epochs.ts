/**
 * New epochs of a folder: a key that nobody has yet, and the grants that go on under it. What was written before stays as it is: its
 * keys are sealed to the new key once for all, so that the work depends on the grants and not on the records.
 */

import { consentCodec, rewrapBodyCodec } from '../contracts/consents-formats.ts'
import { consentsRewrappedCodec } from '../contracts/events.ts'
import { advanceFolderCodec, LAST_EPOCH, MAX_REWRAPS, type Rewrap } from '../contracts/folders-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { seal, sealingKeyFromSeed } from '../crypto/sealing.ts'
import { suiteOf } from '../crypto/sealing-suites.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import { sealingContext, wrapHash } from '../fragments/formats.ts'
import { systemTimer, type Timer } from '../fragments/pace.ts'
import { pastKeysHash, sealPastKeys } from '../fragments/past-keys.ts'
import { revokeConsent } from './consents.ts'
import { depositShares, needsDeposit } from './emergency-deposit.ts'
import { folderOwnerKey, folderSeed, type OwnedFolder, readFolder, type Wallet } from './folders.ts'
import { depositGrants, findOwnGrants, type GrantDeposit, type OwnConsent, type OwnGrant } from './grant-batches.ts'
import { depositPastKeys, sealNote } from './grant-store.ts'
import { inTurns } from './in-turns.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { notFound } from './not-found.ts'

/** How often a new epoch is tried again because another device was faster. */
const TRIES = 4
/** Grants whose readers' keys are looked up at a time. */
const GRANTS_AT_ONCE = 16
/** A revocation that is not ready to go with its new epoch by then goes alone, before it, in ms. */
const REVOKE_ALONE_MS = 1500

export interface EpochOptions extends CallOptions {
  /** Suite of the new key. @default that of the present one */
  suite?: number
  /** Clock by which a revocation waits for its new epoch. */
  timer?: Timer
  /** Private halves of epochs before in which the folder was not this wallet's. */
  foreign?: ReadonlyMap<number, Uint8Array>
}

export interface NewEpoch {
  readonly epoch: number
  /** Consents that go on in the epoch. */
  readonly rewrapped: number
  /** Consents in force that stay in an epoch before: no custodian showed their terms, or too few took the new wrap. Their readers see nothing newer. */
  readonly left: readonly Uint8Array[]
  /** Custodians that hold what opens the past. */
  readonly stored: number
  /** Bytes of the acts in the ledger, and of what each custodian was sent. */
  readonly bytes: { readonly ledger: number; readonly custodian: number }
  /** The act with which the epoch began. */
  readonly committed: Committed
  /** Of an emergency summary: whether shares of the new key lie with the custodians, or the code of why not. Null where none are wanted. */
  readonly emergency: 'deposited' | (string & {}) | null
}

/** Starts a new epoch of a folder. Every grant in force goes on in it, and whoever has one reads new versions at once. */
export async function advanceFolder(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, options: EpochOptions = {}): Promise<NewEpoch> {
  return await startEpoch(peer, wallet, owned, [], options)
}

export interface Revoked {
  /** The act after which nobody reads under the consent. */
  readonly committed: Committed
  /** Undefined where the consent ended and no new epoch began: what is written later is sealed to a key that its reader knows. */
  readonly epoch: NewEpoch | undefined
  /** Why none began. */
  readonly error: unknown
}

/**
 * Takes a consent back, and the folder's key with it: one act ends the consent, starts an epoch and takes the other grants along.
 * Where that takes long, or custodians are missing, the consent ends at once by itself.
 */
export async function revokeAndAdvance(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  consent: Uint8Array,
  options: EpochOptions = {},
): Promise<Revoked> {
  const { timer = systemTimer } = options
  const known = await peer.readOne(stateKey.consent(owned.id, consent), options)
  if (known === null) throw notFound()
  let alone: Promise<Committed> | undefined
  const revokeAlone = (): Promise<Committed> => {
    alone ??= revokeConsent(peer, wallet, owned, consent, options)
    return alone
  }
  // Whoever awaits it hears of a failure; until then it must not end the process.
  const cancel = timer.after(REVOKE_ALONE_MS, () => void revokeAlone().catch(() => undefined))
  try {
    const epoch = await startEpoch(peer, wallet, owned, [consent], { ...options, onReady: cancel })
    return { committed: alone === undefined ? epoch.committed : await alone, epoch, error: undefined }
  } catch (error) {
    options.signal?.throwIfAborted()
    return { committed: await revokeAlone(), epoch: undefined, error }
  } finally {
    cancel()
  }
}

/** A grant that goes on: what the ledger gets of it, and the bytes that went to each custodian. */
interface Wrapped extends Rewrap {
  readonly bytes: number
}

async function startEpoch(
  peer: LightPeer,
  wallet: Wallet,
  before: OwnedFolder,
  revoke: readonly Uint8Array[],
  options: EpochOptions & { onReady?: () => void },
): Promise<NewEpoch> {
  for (let tries = 1; ; tries++) {
    const folder = await readFolder(peer, before.id, options)
    if (folder === null) throw notFound()
    try {
      return await tryEpoch(peer, wallet, { ...before, folder }, revoke, options)
    } catch (error) {
      // Another device of the owner began an epoch meanwhile: the next one is tried, with the grants as they are then.
      if (errorCode(error) !== 'stale-epoch' || tries === TRIES) throw error
    }
  }
}

async function tryEpoch(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  revoke: readonly Uint8Array[],
  options: EpochOptions & { onReady?: () => void },
): Promise<NewEpoch> {
  const epoch = owned.folder.epoch + 1
  if (epoch > LAST_EPOCH) throw new EpioneError('epoch-limit', 'The folder is in its last epoch; open another one.')
  const next = sealingKeyFromSeed(folderSeed(wallet, owned, epoch), options.suite ?? suiteOf(owned.folder.sealingKey))
  const seeds = Array.from({ length: epoch }, (_, i) => options.foreign?.get(i) ?? folderSeed(wallet, owned, i))
  const owner = { ...owned, key: folderOwnerKey(wallet, owned) }
  const sealed = sealPastKeys(next.publicKey, seeds, { chainId: peer.chainId, folder: owned.id, epoch })
  const others = await consentsInForce(peer, owned, revoke, options)
  const wrapped = new Map<number, Wrapped>()
  const wrapAll = async (from: number, to: number): Promise<Rewrap[]> => {
    const part = others.slice(from, to)
    const done = await wrapAgain(peer, wallet, owned, part, { epoch, publicKey: next.publicKey }, options)
    for (const [i, one] of done) wrapped.set(from + i, one)
    return [...done].sort(([a], [b]) => a - b).map(([, { consent, wrapHash }]) => ({ consent, wrapHash }))
  }
  const [stored, first] = await Promise.all([depositPastKeys(peer, owner, { epoch, sealed }, options), wrapAll(0, MAX_REWRAPS)])
  options.onReady?.()
  const body = advanceFolderCodec.encode({
    epoch: owned.folder.epoch,
    sealingKey: next.publicKey,
    previousKeyHash: pastKeysHash(sealed),
    revoke: [...revoke],
    rewraps: first,
  })
  const ledger = { bytes: 0 }
  const act = async (contract: string, action: string, bytes: Uint8Array): Promise<Committed> => {
    const transaction = peer.sign({ from: { kind: 'folder', id: owned.id }, contract, action, body: bytes }, owner.key)
    ledger.bytes += transaction.bytes.length
    return await peer.submit(transaction, options)
  }
  const committed = await act('folders', 'advance', body)
  let rewrapped = rewrappedIn(committed)
  for (let from = MAX_REWRAPS; from < others.length; from += MAX_REWRAPS) {
    const rewraps = await wrapAll(from, from + MAX_REWRAPS)
    if (rewraps.length > 0) rewrapped += rewrappedIn(await act('consents', 'rewrap', rewrapBodyCodec.encode({ epoch, rewraps })))
  }
  return {
    epoch,
    rewrapped,
    left: others.filter((_, i) => !wrapped.has(i)).map(({ id }) => id),
    stored,
    bytes: { ledger: ledger.bytes, custodian: sealed.length + [...wrapped.values()].reduce((sum, { bytes }) => sum + bytes, 0) },
    committed,
    emergency: await shareAgain(peer, wallet, owned, epoch, options),
  }
}

/** Whoever may break an emergency summary's glass needs shares of the new key, where the owner had left some. */
async function shareAgain(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  epoch: number,
  options: CallOptions,
): Promise<string | null> {
  const present = { ...owned, folder: { ...owned.folder, epoch } }
  try {
    if (!(await needsDeposit(peer, present, options))) return null
    await depositShares(peer, wallet, present, options)
    return 'deposited'
  } catch (error) {
    options.signal?.throwIfAborted()
    return errorCode(error)
  }
}

/** How many consents an act brought into a new epoch, by its receipt. */
function rewrappedIn({ receipt }: Committed): number {
  const event = receipt.events.find(({ name }) => name === 'consents.rewrapped')
  return event === undefined ? 0 : consentsRewrappedCodec.decode(event.data).count
}

/** A folder's consents in force, but for some, proven to be all. */
async function consentsInForce(peer: LightPeer, owned: OwnedFolder, but: readonly Uint8Array[], options: CallOptions) {
  const { entries } = await peer.list(stateKey.consents(owned.id), options)
  const { header } = await peer.head(options)
  return entries
    .map(([key, value]) => ({ id: key.slice(33), line: consentCodec.decode(value) }))
    .filter(({ id, line }) => line.status === 'active' && line.expiry > header.time && !but.some(gone => equalBytes(gone, id)))
}

/**
 * Wraps an epoch's private half to the readers of grants, and leaves the wraps with the custodians. Gives those with which that went well, by
 * their places; a grant that nobody shows, or that too few custodians take, is missing and holds up no other.
 */
async function wrapAgain(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  consents: readonly OwnConsent[],
  { epoch, publicKey }: { epoch: number; publicKey: Uint8Array },
  options: CallOptions,
): Promise<Map<number, Wrapped>> {
  try {
    const known = await findOwnGrants(peer, wallet, owned, consents, options)
    const seed = folderSeed(wallet, owned, epoch)
    const wraps = new Map<number, GrantDeposit>()
    await inTurns(consents, GRANTS_AT_ONCE, async ({ id, line }, i) => {
      const grant = known.get(toHex(id))
      if (grant === undefined) return
      try {
        const sealingKey = await sealingKeyOf(peer, grant, options)
        const context = sealingContext.grant(peer.chainId, owned.id, epoch, line.commitment)
        const wrap = seal(sealingKey, seed, context)
        const note = sealNote(publicKey, { ...grant.note, sealingKey }, context)
        wraps.set(i, { consent: id, opening: grant.openingBytes, wrap, note })
      } catch {
        options.signal?.throwIfAborted()
      }
    })
    const deposits = [...wraps]
    const owner = { ...owned, key: folderOwnerKey(wallet, owned) }
    const taken = await depositGrants(
      peer,
      owner,
      deposits.map(([, deposit]) => deposit),
      options,
    )
    return new Map(
      deposits
        .filter((_, at) => taken[at])
        .map(([i, { consent, opening, wrap, note }]) => [
          i,
          { consent, wrapHash: wrapHash(wrap), bytes: opening.length + wrap.length + note.length },
        ]),
    )
  } catch {
    options.signal?.throwIfAborted()
    return new Map()
  }
}

/** An organisation's key is in the ledger and may have changed; a person's is known from their card alone, a delegate's from their offer. */
async function sealingKeyOf(peer: LightPeer, { opening, note }: OwnGrant, options: CallOptions): Promise<Uint8Array> {
  const { grantee } = opening.provision
  if (grantee === null || grantee.type === 'person') return note.sealingKey
  return (await peer.member(grantee.value.organisation, options)).organisation.sealingKey
}
