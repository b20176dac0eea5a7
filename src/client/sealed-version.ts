/** A version as it goes to the custodians: encrypted under a key of its own that is sealed to the folder. */
import type { Folder } from '../contracts/folders-formats.ts'
import { commitmentSalt, encryptObject, objectLength } from '../crypto/object-stream.ts'
import { randomBytes } from '../crypto/random.ts'
import { seal } from '../crypto/sealing.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { byteString, hash32, type Infer, list, struct } from '../encoding/schema.ts'
import { computeDispersal } from '../fragments/dispersal.ts'
import {
  classCommitment,
  encodeVersionKey,
  objectHeaderCodec,
  provenanceBytes,
  provenancePlace,
  recordCommitment,
  sealedKeyHash,
  sealingContext,
  type VersionMeta,
  versionMetaSchema,
} from '../fragments/formats.ts'
import type { FolderAddress } from './folders.ts'
import { sealAside, stripeWorker } from './heavy.ts'
import type { Person } from './identity.ts'
import type { LightPeer } from './light-peer.ts'
import type { CallOptions } from './nodes.ts'
import type { RecordInput } from './record-input.ts'
import { chooseDictionary, objectPlaintext, objectPlaintextLength, type PreparedContent, prepareContent } from './record-object.ts'
import { signed } from './signer.ts'

/** All that it takes to make the same ciphertext of the same content again. */
export const versionSecretSchema = struct({
  dek: hash32,
  objectSalt: hash32,
  header: byteString(2048),
  /** Hash of the bytes that were encrypted after the header: no others may ever be under this key and salt. */
  storedHash: hash32,
  fragmentRoots: list(hash32, 48, 4),
  meta: versionMetaSchema,
})
export type VersionSecret = Infer<typeof versionSecretSchema>

/** What custodians are sent of a version. */
export interface SealedCiphertext {
  readonly meta: VersionMeta
  readonly fragmentRoots: readonly Uint8Array[]
  /** The same bytes whenever it is called. */
  readonly ciphertext: () => AsyncIterable<Uint8Array>
}

export interface SealedVersion extends SealedCiphertext {
  readonly input: RecordInput
  readonly secret: VersionSecret
}

function sealedVersion(input: RecordInput, prepared: PreparedContent, secret: VersionSecret): SealedVersion {
  const { dek, objectSalt, header, meta, fragmentRoots } = secret
  const plaintextLength = objectPlaintextLength(header, prepared.stored.size)
  // Encrypted again with the same key and salt, to the same bytes: once to learn the roots, once to send. Memory stays flat.
  const ciphertext = (): AsyncIterable<Uint8Array> =>
    encryptObject(dek, objectSalt, objectPlaintext(header, prepared.stored), plaintextLength)
  return { input, secret, meta, fragmentRoots, ciphertext }
}

export interface SealOptions extends CallOptions {
  /** See {@link chooseDictionary}. */
  dictionary?: Uint8Array | null
}

/** Seals a version to the folder. `onPass` is told of every pass over the content. */
export async function sealVersion(
  peer: LightPeer,
  person: Person,
  address: FolderAddress,
  folder: Folder,
  input: RecordInput,
  options: SealOptions & { onPass?: (pass: 'hashing' | 'sealing') => void } = {},
): Promise<SealedVersion> {
  const { n, k } = peer.parameters
  const recordId = input.recordId ?? randomBytes(32)
  const version = input.version ?? 1
  options.onPass?.('hashing')
  const dictionary = chooseDictionary(input.mediaType, peer.parameters.dictionaries, options.dictionary)
  const prepared = await prepareContent(input.content, dictionary)
  options.onPass?.('sealing')
  const unsigned = {
    version: 1,
    mediaType: input.mediaType,
    kind: input.kind ?? ('record' as const),
    encoding: prepared.encoding,
    dictionary: prepared.dictionary,
    size: prepared.size,
    storedSize: prepared.stored.size,
    contentHash: prepared.contentHash,
    resourceType: input.resourceType ?? '',
    time: peer.now(),
    author: { organisation: person.organisation, key: person.signing.publicKey, role: person.role },
  }
  const dek = randomBytes(32)
  const hidden = commitmentSalt(dek)
  const signature = await signed(person.signing, provenanceBytes(provenancePlace(hidden, address.id), recordId, version, unsigned))
  const header = objectHeaderCodec.encode({ ...unsigned, author: { ...unsigned.author, signature } })
  const objectSalt = randomBytes(32)
  const plaintextLength = objectPlaintextLength(header, prepared.stored.size)
  const size = objectLength(plaintextLength)
  const ciphertext = encryptObject(dek, objectSalt, objectPlaintext(header, prepared.stored), plaintextLength)
  const dispersal = await computeDispersal(ciphertext, size, { n, k }, { signal: options.signal, worker: stripeWorker() })
  const context = sealingContext.versionKey(peer.chainId, address.id, folder.epoch, recordId, version)
  const sealedKey = await sealAside(folder.sealingKey, encodeVersionKey({ key: dek, place: null }), context)
  const salt = randomBytes(32)
  const dataTime = input.dataTime ?? null
  const leaf = {
    recordId,
    version,
    dispersalRoot: dispersal.root,
    commitment: recordCommitment(hidden, header),
    sealedKeyHash: sealedKeyHash(sealedKey),
    classCommitment: classCommitment(salt, input.class, dataTime),
  }
  const meta = { leaf, sealedKey, salt, class: input.class, dataTime, size }
  return sealedVersion(input, prepared, {
    dek,
    objectSalt,
    header,
    storedHash: prepared.storedHash,
    fragmentRoots: dispersal.fragmentRoots,
    meta,
  })
}

/** The version with its key sealed to another epoch of the folder: the same ciphertext, and nothing of it is encrypted again. */
export function resealVersion(peer: LightPeer, address: FolderAddress, folder: Folder, version: SealedVersion): SealedVersion {
  const { leaf } = version.meta
  const context = sealingContext.versionKey(peer.chainId, address.id, folder.epoch, leaf.recordId, leaf.version)
  const sealedKey = seal(folder.sealingKey, version.secret.dek, context)
  const meta = { ...version.meta, sealedKey, leaf: { ...leaf, sealedKeyHash: sealedKeyHash(sealedKey) } }
  return { ...version, meta, secret: { ...version.secret, meta } }
}

/** The version as it was sealed before; undefined where the content or what is said of it is not the same. */
export async function sealedBefore(
  peer: LightPeer,
  input: RecordInput,
  secret: VersionSecret,
  options: SealOptions = {},
): Promise<SealedVersion | undefined> {
  const { meta } = secret
  const header = objectHeaderCodec.decode(secret.header)
  const same =
    header.mediaType === input.mediaType &&
    header.kind === (input.kind ?? 'record') &&
    header.resourceType === (input.resourceType ?? '') &&
    header.size === input.content.size &&
    meta.class === input.class &&
    meta.dataTime === (input.dataTime ?? null) &&
    meta.leaf.version === (input.version ?? 1) &&
    (input.recordId === undefined || equalBytes(input.recordId, meta.leaf.recordId))
  if (!same) return undefined
  const dictionary = chooseDictionary(input.mediaType, peer.parameters.dictionaries, options.dictionary)
  const prepared = await prepareContent(input.content, dictionary)
  const content =
    equalBytes(prepared.contentHash, header.contentHash) &&
    prepared.encoding === header.encoding &&
    equalBytes(prepared.dictionary ?? new Uint8Array(0), header.dictionary ?? new Uint8Array(0)) &&
    prepared.stored.size === header.storedSize &&
    equalBytes(prepared.storedHash, secret.storedHash)
  return content ? sealedVersion(input, prepared, secret) : undefined
}
