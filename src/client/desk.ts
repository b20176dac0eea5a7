/** Asks the desk of a person's own organisation to sign for them. */

import { randomBytes } from '../crypto/random.ts'
import { compareBytes, concat } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import {
  DESK_DOMAIN,
  type DeskAction,
  type DeskResponse,
  deskContentCodec,
  deskRequestCodec,
  deskResponseCodec,
  type EmergencyCase,
} from '../network/light-messages.ts'
import type { KeptNotice } from '../network/notice-messages.ts'
import { PROTOCOL } from '../network/protocols.ts'
import type { Person } from './identity.ts'
import type { Committed, LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import { signed } from './signer.ts'

/** Most pages of one list: more is what no desk has. */
const MAX_PAGES = 1_000

async function ask(peer: LightPeer, person: Person, action: DeskAction, options: CallOptions): Promise<DeskResponse> {
  const { organisation } = await peer.member(person.organisation, options)
  const content = deskContentCodec.encode({
    chainId: peer.chainId,
    account: person.organisation,
    peer: peer.nodes.network.networkKey,
    time: peer.now(),
    nonce: randomBytes(32),
    action,
  })
  const signature = await signed(person.signing, concat(domain(DESK_DOMAIN), content))
  const request = deskRequestCodec.encode({ content, key: person.signing.publicKey, signature })
  const answer = await peer.nodes.request(organisation.networkKey, PROTOCOL.desk, request, {
    ...options,
    maxResponse: deskResponseCodec.maxBytes,
  })
  return deskResponseCodec.decode(answer)
}

function unexpected(): never {
  throw new EpioneError('malformed', "The organisation's node answered with something else than it was asked for.")
}

/** Has the organisation sign and submit an act, and waits until it is final. */
export async function deskTransaction(peer: LightPeer, person: Person, action: DeskAction, options: CallOptions = {}): Promise<Committed> {
  const answer = await ask(peer, person, action, options)
  return answer.type === 'transaction' ? await peer.outcome(answer.value, options) : unexpected()
}

/** Has the organisation sign an act that its node hands on by itself, later; gives the transaction's id. */
export async function deskHeld(peer: LightPeer, person: Person, action: DeskAction, options: CallOptions = {}): Promise<Uint8Array> {
  const answer = await ask(peer, person, action, options)
  return answer.type === 'transaction' ? answer.value : unexpected()
}

export async function deskSignature(peer: LightPeer, person: Person, action: DeskAction, options: CallOptions = {}): Promise<Uint8Array> {
  const answer = await ask(peer, person, action, options)
  return answer.type === 'signature' ? answer.value : unexpected()
}

type DeskValue<T extends DeskResponse['type']> = Extract<DeskResponse, { type: T }>['value']

/** All disputes of what the organisation wrote into a folder, page after page. */
export async function deskDisputes(
  peer: LightPeer,
  person: Person,
  folder: Uint8Array,
  options: CallOptions = {},
): Promise<DeskValue<'disputes'>['disputes']> {
  return await allPages(async after => {
    const answer = await ask(peer, person, { type: 'disputes', value: { folder, after } }, options)
    return answer.type === 'disputes' ? { items: answer.value.disputes, next: answer.value.next } : unexpected()
  })
}

/** All notices that wait for the person, page after page. */
export async function deskNotices(peer: LightPeer, person: Person, options: CallOptions = {}): Promise<KeptNotice[]> {
  return await allPages(async after => {
    const answer = await ask(peer, person, { type: 'notices', value: { after } }, options)
    return answer.type === 'notices' ? { items: answer.value.notices, next: answer.value.next } : unexpected()
  })
}

/** @throws EpioneError `malformed` where the node's pages do not end, or come again */
async function allPages<T>(page: (after: Uint8Array | null) => Promise<{ items: readonly T[]; next: Uint8Array | null }>): Promise<T[]> {
  const all: T[] = []
  let after: Uint8Array | null = null
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const { items, next }: { items: readonly T[]; next: Uint8Array | null } = await page(after)
    all.push(...items)
    if (next === null) return all
    if (after !== null && compareBytes(after, next) >= 0) unexpected()
    after = next
  }
  return unexpected()
}

/** Leaves the person's signed word that they saw a notice. */
export async function deskAcknowledge(
  peer: LightPeer,
  person: Person,
  value: { acknowledgement: Uint8Array; signature: Uint8Array },
  options: CallOptions = {},
): Promise<void> {
  const answer = await ask(peer, person, { type: 'acknowledge', value }, options)
  if (answer.type !== 'done') unexpected()
}

/** All break-glass of the organisation that waits for its review, page after page. */
export async function deskCases(peer: LightPeer, person: Person, options: CallOptions = {}): Promise<EmergencyCase[]> {
  return await allPages(async after => {
    const answer = await ask(peer, person, { type: 'cases', value: { after } }, options)
    return answer.type === 'cases' ? { items: answer.value.cases, next: answer.value.next } : unexpected()
  })
}

export async function deskGrant(
  peer: LightPeer,
  person: Person,
  folder: Uint8Array,
  consent: Uint8Array,
  options: CallOptions = {},
): Promise<{ opening: Uint8Array; wrap: Uint8Array; past: Uint8Array | null }> {
  const action: DeskAction = { type: 'rewrap', value: { folder, consent, sealingKey: person.sealing.publicKey } }
  const answer = await ask(peer, person, action, options)
  return answer.type === 'grant' ? answer.value : unexpected()
}
