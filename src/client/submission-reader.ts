/** Reads versions of one submission from k custodians at a time, taking others where some fail or lag. */
import { commitmentSalt, decryptObject, encryptObject, OBJECT_SALT_LENGTH, plaintextLengthOf } from '../crypto/object-stream.ts'
import { verifySignature } from '../crypto/signature.ts'
import { concat, equalBytes, u32 } from '../encoding/bytes.ts'
import { EpioneError, errorCode } from '../encoding/errors.ts'
import {
  decodeVersionKey,
  type ObjectHeader,
  provenanceBytes,
  provenancePlace,
  recordCommitment,
  sealingContext,
  type VersionKey,
} from '../fragments/formats.ts'
import { assemble } from '../fragments/gather.ts'
import type { CurrentCustodians } from './current-custodians.ts'
import { CustodianSupply } from './custodian-supply.ts'
import { stripeWorker } from './heavy.ts'
import type { LightPeer, MemberInfo } from './light-peer.ts'
import { notFound } from './not-found.ts'
import type { AnchoredSubmission, ListedVersion, ReadOptions, ReadVersion, Resumable } from './read-types.ts'
import { readObject } from './record-object.ts'
import type { Session } from './session.ts'

/** How the assembler says that there are too few sources: by itself, or with what was wrong with the last of them. */
const TOO_FEW: ReadonlySet<string> = new Set(['too-few-fragments', 'corrupt-fragment'])

export class SubmissionReader {
  readonly #peer: LightPeer
  readonly #session: Session
  readonly #versions: readonly ListedVersion[]
  readonly #options: ReadOptions
  readonly #submission: AnchoredSubmission
  readonly #supply: CustodianSupply

  /** @param candidates custodians that may have fragments: today's holders, and those before, who may have them still */
  constructor(peer: LightPeer, session: Session, versions: readonly ListedVersion[], candidates: CurrentCustodians, options: ReadOptions) {
    this.#peer = peer
    this.#session = session
    this.#versions = versions
    this.#options = options
    this.#submission = (versions[0] as ListedVersion).submission
    this.#supply = new CustodianSupply(peer, session, versions, candidates, options)
  }

  async *read(): AsyncGenerator<ReadVersion> {
    for (const [position, listed] of this.#versions.entries()) {
      const opened = await this.#versionKey(listed)
      const { key } = opened
      const from = new Set<MemberInfo>()
      const start = new StreamStart(this.#ciphertext(position, key, from))
      const { header, headerBytes, content } = await readObject(decryptObject(key, start.bytes(), listed.meta.size))
      this.#check(listed, opened, header, headerBytes)
      const { failures } = this.#supply
      yield {
        listed,
        header,
        get from() {
          return [...from]
        },
        failures,
        beginning: { header: headerBytes, objectSalt: start.objectSalt },
        commitmentSalt: commitmentSalt(key),
        place: opened.place,
        content,
      }
      // What the caller left unread is read here: the streams must stand at the next version.
      for await (const _ of content) this.#options.signal?.throwIfAborted()
    }
  }

  /** The ciphertext of each version as it lies at the custodians, with its opened key; each must be read before the next is taken. */
  async *ciphertexts(): AsyncGenerator<{ listed: ListedVersion; opened: VersionKey; ciphertext: AsyncIterable<Uint8Array> }> {
    for (const [position, listed] of this.#versions.entries()) {
      const opened = await this.#versionKey(listed)
      yield { listed, opened, ciphertext: this.#ciphertext(position, opened.key, new Set()) }
    }
  }

  /** Gives the streams up, or closes them where all that was asked for came. */
  end(done: boolean): void {
    this.#supply.end(done)
  }

  /** Opens the version's key with the folder's. */
  async #versionKey({ meta }: ListedVersion): Promise<VersionKey> {
    const { epoch } = this.#submission.anchor
    const { recordId, version } = meta.leaf
    const key = await this.#session.keyOf(epoch)
    if (key === undefined)
      throw new EpioneError('key-missing', `The grant does not open keys of epoch ${epoch}; ask for a new grant.`, { metadata: { epoch } })
    const context = sealingContext.versionKey(this.#peer.chainId, this.#session.folder, epoch, recordId, version)
    return decodeVersionKey(key.open(meta.sealedKey, context))
  }

  /**
   * The header must be the committed one, signed by its author, for the organisation that the ledger names as the submission's author.
   * For what was moved here that organisation vouches, which anchored it: it saw that the owner of the folder before moved it.
   */
  #check({ meta }: ListedVersion, { key, place }: VersionKey, header: ObjectHeader, headerBytes: Uint8Array): void {
    const { recordId, version, commitment } = meta.leaf
    const { author } = header
    const salt = commitmentSalt(key)
    const signedFor = place ?? provenancePlace(salt, this.#session.folder)
    const right =
      equalBytes(recordCommitment(salt, headerBytes), commitment) &&
      equalBytes(author.organisation, this.#submission.anchor.author) &&
      verifySignature(author.key, provenanceBytes(signedFor, recordId, version, header), author.signature)
    if (!right) {
      throw new EpioneError(
        'malformed-object',
        'The record is not what its author committed to, names another organisation than the one that anchored it, or its signature does not hold.',
      )
    }
  }

  /** The ciphertext of the version at `position`; `from` is filled with those who gave of it. */
  async *#ciphertext(position: number, key: Uint8Array, from: Set<MemberInfo>): AsyncGenerator<Uint8Array> {
    const listed = this.#versions[position] as ListedVersion
    const { n, k } = this.#submission.anchor
    const { signal, timer } = this.#options
    const known = position === 0 ? this.#options.known : undefined
    try {
      yield* assemble({
        n,
        k,
        size: listed.meta.size,
        dispersalRoot: listed.meta.leaf.dispersalRoot,
        offers: this.#supply.present(position, from),
        more: (firstChunk, why) => this.#supply.more(position, firstChunk, why, from),
        ...(known === undefined ? {} : { prefix: knownCiphertext(key, known, listed.meta.size) }),
        signal,
        timer,
        worker: stripeWorker(),
      })
    } catch (error) {
      signal?.throwIfAborted()
      if (TOO_FEW.has(errorCode(error))) throw this.#tooFew()
      throw error
    }
  }

  #tooFew(): EpioneError {
    const { k, n } = this.#submission.anchor
    const { refusals, last } = this.#supply
    if (refusals > n - k) return notFound(last)
    return new EpioneError('too-few-fragments', `Fewer than ${k} custodians could give their fragments of this record.`, {
      cause: last,
      metadata: { needed: k },
    })
  }
}

/** The beginning of the ciphertext, from what is known of the content: the same key and salt give the same bytes. */
async function* knownCiphertext(key: Uint8Array, known: Resumable, size: number): AsyncGenerator<Uint8Array> {
  async function* plaintext(): AsyncGenerator<Uint8Array> {
    yield concat(u32(known.header.length), known.header)
    yield* known.content()
  }
  try {
    yield* encryptObject(key, known.objectSalt, plaintext(), plaintextLengthOf(size))
  } catch (error) {
    // It is a beginning: it ends too early.
    if (errorCode(error) !== 'length-mismatch') throw error
  }
}

/** Notes the salt with which an object begins. */
class StreamStart {
  readonly objectSalt = new Uint8Array(OBJECT_SALT_LENGTH)
  readonly #source: AsyncIterable<Uint8Array>

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source
  }

  async *bytes(): AsyncGenerator<Uint8Array> {
    let filled = 0
    for await (const piece of this.#source) {
      const taken = piece.subarray(0, OBJECT_SALT_LENGTH - filled)
      this.objectSalt.set(taken, filled)
      filled += taken.length
      yield piece
    }
  }
}
