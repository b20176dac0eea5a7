/**
 * An owner's grants by the many, as when a folder's key changes: what custodians keep of them, and new wraps. Each stands by itself: one that
 * is missing or refused holds up no other.
 */
import { type ConsentOpening, consentCommitment, consentOpeningCodec } from '../contracts/consent-terms.ts'
import type { Consent } from '../contracts/consents-formats.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { sealingContext } from '../fragments/formats.ts'
import {
  folderRequestCodec,
  type GrantTerms,
  getWrapsResponseCodec,
  MAX_FOLDER_REQUEST,
  MAX_GRANTS_AT_ONCE,
  putWrapsResponseCodec,
} from '../network/light-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import { type ConsentNote, decodeConsentNote } from './consent-note.ts'
import { signAsk } from './folder-ask.ts'
import { folderCustodians } from './folder-custodians.ts'
import { folderOpener, folderOwnerKey, type OwnedFolder, type Wallet } from './folders.ts'
import { type Depositor, neededOf } from './grant-store.ts'
import { inTurns } from './in-turns.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'

/** Requests to one custodian at a time. */
const REQUESTS_AT_ONCE = 4
/** Most bytes of a request beside its grants, and of a grant beside its three parts. */
const ASK_BYTES = 1024
const GRANT_OVERHEAD = 64

/** A grant as its custodians keep it for the owner. */
export interface OwnGrant {
  readonly openingBytes: Uint8Array
  readonly opening: ConsentOpening
  readonly note: ConsentNote
}

/** A consent of the owner's, as the ledger has it. */
export interface OwnConsent {
  readonly id: Uint8Array
  readonly line: Consent
}

/**
 * The owner's grants with their terms, by the hex of their consents; those are missing that no custodian that answers has. Custodians are
 * asked one after another, each for what the ones before did not show.
 */
export async function findOwnGrants(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  consents: readonly OwnConsent[],
  options: CallOptions,
): Promise<Map<string, OwnGrant>> {
  const found = new Map<string, OwnGrant>()
  for (const custodian of await folderCustodians(peer, owned.id, owned.folder, options)) {
    const missing = consents.filter(({ id }) => !found.has(toHex(id)))
    if (missing.length === 0) break
    const questions = Array.from({ length: Math.ceil(missing.length / MAX_GRANTS_AT_ONCE) }, (_, i) =>
      missing.slice(i * MAX_GRANTS_AT_ONCE, (i + 1) * MAX_GRANTS_AT_ONCE),
    )
    await inTurns(questions, REQUESTS_AT_ONCE, async asked => {
      try {
        for await (const [id, grant] of grantsAt(peer, wallet, owned, custodian, asked, options)) found.set(id, grant)
      } catch {
        options.signal?.throwIfAborted()
      }
    })
  }
  return found
}

/** What one custodian shows of grants, where it is what the ledger commits to and the folder's key opens the note. */
async function* grantsAt(
  peer: LightPeer,
  wallet: Wallet,
  owned: OwnedFolder,
  custodian: MemberInfo,
  asked: readonly OwnConsent[],
  options: CallOptions,
): AsyncGenerator<[string, OwnGrant]> {
  for (let rest = asked; rest.length > 0; ) {
    const ask = await signAsk(peer, folderOwnerKey(wallet, owned), { folder: owned.id, consent: null, custodian })
    const request = folderRequestCodec.encode({ type: 'get-wraps', value: { ...ask, consents: rest.map(({ id }) => id) } })
    const bytes = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
      ...options,
      maxResponse: getWrapsResponseCodec.maxBytes,
    })
    const { grants }: ReturnType<typeof getWrapsResponseCodec.decode> = getWrapsResponseCodec.decode(bytes)
    let last = -1
    for (const terms of grants) {
      const at = rest.findIndex(({ id }) => equalBytes(id, terms.consent))
      const consent = rest[at]
      // They come in the order in which they were asked for, so that every further question is a shorter one.
      if (consent === undefined || at <= last) return
      last = at
      const grant = opened(peer, wallet, owned, consent, terms)
      if (grant !== undefined) yield [toHex(consent.id), grant]
    }
    if (last < 0) return
    rest = rest.slice(last + 1)
  }
}

function opened(peer: LightPeer, wallet: Wallet, owned: OwnedFolder, { line }: OwnConsent, terms: GrantTerms): OwnGrant | undefined {
  try {
    const opening = consentOpeningCodec.decode(terms.opening)
    if (!equalBytes(consentCommitment(opening), line.commitment)) return undefined
    const context = sealingContext.grant(peer.chainId, owned.id, line.epoch, line.commitment)
    const note = decodeConsentNote(folderOpener(wallet, owned, line.epoch).open(terms.note, context))
    return { openingBytes: Uint8Array.from(terms.opening), opening, note }
  } catch {
    return undefined
  }
}

/** A grant that is left with custodians: the opening of its consent, the wrap, and the owner's note. */
export interface GrantDeposit {
  readonly consent: Uint8Array
  readonly opening: Uint8Array
  readonly wrap: Uint8Array
  readonly note: Uint8Array
}

/**
 * Leaves grants in force with the folder's custodians, as many at a time as one request has room for; for each whether n - f of them took it.
 * A custodian may refuse one and take the others.
 */
export async function depositGrants(
  peer: LightPeer,
  owner: Depositor,
  grants: readonly GrantDeposit[],
  options: CallOptions,
): Promise<boolean[]> {
  const custodians = await folderCustodians(peer, owner.id, owner.folder, options)
  const taken = grants.map(() => 0)
  await Promise.all(
    custodians.map(async custodian => {
      await inTurns(requestsOf(grants), REQUESTS_AT_ONCE, async ({ from, items }) => {
        const ask = await signAsk(peer, owner.key, { folder: owner.id, consent: null, custodian })
        const request = folderRequestCodec.encode({ type: 'put-wraps', value: { ...ask, grants: [...items] } })
        try {
          const bytes = await peer.nodes.request(custodian.organisation.networkKey, PROTOCOL.folder, request, {
            ...options,
            maxResponse: putWrapsResponseCodec.maxBytes,
          })
          const { codes } = putWrapsResponseCodec.decode(bytes)
          for (const i of items.keys()) if (codes[i] === null) taken[from + i] = (taken[from + i] as number) + 1
        } catch {
          options.signal?.throwIfAborted()
        }
      })
    }),
  )
  const needed = neededOf(custodians.length)
  return taken.map(count => count >= needed)
}

/** Splits grants into runs that each fit one request. */
function requestsOf(grants: readonly GrantDeposit[]): { from: number; items: readonly GrantDeposit[] }[] {
  const runs: { from: number; items: GrantDeposit[] }[] = []
  let room = 0
  for (const [i, grant] of grants.entries()) {
    const bytes = grant.opening.length + grant.wrap.length + grant.note.length + GRANT_OVERHEAD
    const run = runs.at(-1)
    if (run === undefined || run.items.length === MAX_GRANTS_AT_ONCE || bytes > room) {
      runs.push({ from: i, items: [grant] })
      room = MAX_FOLDER_REQUEST - ASK_BYTES - bytes
    } else {
      run.items.push(grant)
      room -= bytes
    }
  }
  return runs
}
