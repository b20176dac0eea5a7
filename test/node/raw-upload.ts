/** An uploader that can do everything wrong: a right submission by hand, and what custodians answer to frames made of it. */

import { deskSignature } from '../../src/client/desk.ts'
import type { FolderAddress } from '../../src/client/folders.ts'
import type { Person } from '../../src/client/identity.ts'
import type { LightPeer, MemberInfo } from '../../src/client/light-peer.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { type DispersedBytes, disperseBytes } from '../../src/fragments/dispersal.ts'
import {
  classCommitment,
  sealedKeyHash,
  submissionRoot,
  type UploadTicket,
  uploadTicketCodec,
  type VersionMeta,
} from '../../src/fragments/formats.ts'
import { CHUNK_BYTES } from '../../src/fragments/layout.ts'
import { place } from '../../src/fragments/placement.ts'
import { type UploadFrame, uploadFrameCodec, uploadReplyCodec } from '../../src/network/fragment-messages.ts'
import { MAX_FRAGMENT_FRAME, PROTOCOL } from '../../src/network/protocols.ts'
import { seedOf } from './cluster.ts'

export interface RawSubmission {
  ticket: UploadTicket
  signature: Uint8Array
  metas: VersionMeta[]
  dispersed: DispersedBytes[]
  /** Custodians by index. */
  placed: MemberInfo[]
}

/** A submission that custodians take, of one version per ciphertext. */
export async function rawSubmission(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  ciphertexts: readonly Uint8Array[],
): Promise<RawSubmission> {
  const { n, k } = peer.parameters
  const { height: memberHeight, custodians } = await peer.custodians()
  const members = await peer.members()
  const dispersed = ciphertexts.map(ciphertext => disperseBytes(ciphertext, { n, k }))
  const metas = ciphertexts.map((ciphertext, i): VersionMeta => {
    const sealedKey = seedOf('sealed key', i)
    const salt = seedOf('salt', i)
    const leaf = {
      recordId: seedOf(`record ${ciphertext.length}`, i),
      version: 1,
      dispersalRoot: (dispersed[i] as DispersedBytes).root,
      commitment: seedOf('commitment', i),
      sealedKeyHash: sealedKeyHash(sealedKey),
      classCommitment: classCommitment(salt, 'laboratory', null),
    }
    return { leaf, sealedKey, salt, class: 'laboratory', dataTime: null, size: ciphertext.length }
  })
  const ticket: UploadTicket = {
    folder: address.id,
    epoch: 0,
    submissionRoot: submissionRoot(metas.map(({ leaf }) => leaf)),
    versions: metas.length,
    size: ciphertexts.reduce((sum, { length }) => sum + length, 0),
    n,
    k,
    memberHeight,
    labelSalt: address.labelSalt,
    label: address.label,
    sponsor: person.organisation,
    until: Date.now() + 600_000,
  }
  const placement = place({ key: ticket.submissionRoot, custodians, n, k, policy: null })
  const placed = placement.custodians.map(({ id }) => members.find(member => equalBytes(member.id, id)) as MemberInfo)
  return { ticket, signature: await signTicket(peer, person, ticket), metas, dispersed, placed }
}

export async function signTicket(peer: LightPeer, person: Person, ticket: UploadTicket): Promise<Uint8Array> {
  return await deskSignature(peer, person, { type: 'ticket', value: { ticket: uploadTicketCodec.encode(ticket) } })
}

/** The frames by which the submission goes to the custodian at `index`. */
export function framesOf({ ticket, signature, metas, dispersed }: RawSubmission, index: number): UploadFrame[] {
  const frames: UploadFrame[] = [
    { type: 'start', value: { ticket: uploadTicketCodec.encode(ticket), signature, index, token: randomBytes(32) } },
    { type: 'versions', value: metas },
  ]
  for (const { fragments, fragmentRoots } of dispersed) {
    const fragment = fragments[index] as Uint8Array
    frames.push({ type: 'fragment', value: { roots: fragmentRoots, chunk: fragment.subarray(0, CHUNK_BYTES) } })
    for (let at = CHUNK_BYTES; at < fragment.length; at += CHUNK_BYTES) {
      frames.push({ type: 'chunk', value: fragment.subarray(at, at + CHUNK_BYTES) })
    }
  }
  return frames
}

export interface UploadAnswer {
  /** Types of the replies, the code of an error in the place of its type. */
  replies: string[]
  receipt?: { receipt: Uint8Array; signature: Uint8Array }
}

/** Sends frames to a member and hears it out. */
export async function upload(peer: LightPeer, to: MemberInfo, frames: readonly (UploadFrame | Uint8Array)[]): Promise<UploadAnswer> {
  const channel = await peer.nodes.openStream(to.organisation.networkKey, PROTOCOL.upload, {
    maxFrame: MAX_FRAGMENT_FRAME,
    frameTimeoutMs: 30_000,
  })
  const answer: UploadAnswer = { replies: [] }
  try {
    const sending = (async () => {
      for (const frame of frames) await channel.send(frame instanceof Uint8Array ? frame : uploadFrameCodec.encode(frame))
      await channel.closeWrite()
    })().catch(() => undefined)
    for await (const bytes of channel.frames()) {
      const reply = uploadReplyCodec.decode(bytes)
      answer.replies.push(reply.type === 'error' ? new TextDecoder().decode(reply.value.code) : reply.type)
      if (reply.type === 'receipt') answer.receipt = reply.value
      if (reply.type !== 'ready') break
    }
    channel.abort(new Error('heard out'))
    await sending
  } catch {
    answer.replies.push('lost')
  }
  return answer
}
