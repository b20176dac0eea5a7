/**
 * What an organisation signs for the owners of its folders beside single acts: uploads and anchors of what they move between folders, and
 * further folders. It stands for what it anchors, so that it sees first that the versions are its own, and whose they are.
 */
import { createFolderCodec, type Folder } from '../contracts/folders-formats.ts'
import { anchorBodyCodec, anchorCodec } from '../contracts/records-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { randomBytes } from '../crypto/random.ts'
import { type SigningKey, verifySignature } from '../crypto/signature.ts'
import { ownerKeyHash } from '../crypto/wallet.ts'
import { concat, equalBytes } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { uploadTicketBytes, uploadTicketCodec } from '../fragments/formats.ts'
import { type Move, moveBytes, moveCodec, movedRoot } from '../fragments/move.ts'
import { onGrid } from '../ledger/instants.ts'
import { countersign, createTransaction, decodeTransaction, verifyTransaction } from '../ledger/transaction.ts'
import { OPEN_FOLDER_DOMAIN, openFolderCodec, REQUEST_CLOCK_MS, type SignedMove } from '../network/light-messages.ts'
import { folderAt } from './folder-facts.ts'
import { type ReceiptDependencies, requireReceipts } from './storage-receipts.ts'

/** Longest life of an upload ticket, in ms. */
const MAX_TICKET_MS = 60 * 60 * 1000
/** How long the opening of a folder stays valid, in ms. */
const VALIDITY_MS = 10 * 60 * 1000

export interface OwnerSponsorOptions {
  account: Uint8Array
  accountKey: SigningKey
}

/** Whoever is refused hears the same, whatever is wrong: also whether there is such a folder. */
function refuse(): never {
  throw new EpioneError('not-sponsored', 'This organisation sponsors acts on folders of its own records alone.')
}

export class OwnerSponsor {
  readonly #options: OwnerSponsorOptions
  readonly #deps: ReceiptDependencies

  constructor(options: OwnerSponsorOptions, dependencies: ReceiptDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  /** Signs the ticket for the upload of what is moved. @throws EpioneError `not-sponsored` */
  ticket(signed: SignedMove, ticketBytes: Uint8Array, peer: Uint8Array): { signature: Uint8Array; folder: Uint8Array } {
    const { move, root } = this.#check(signed, peer)
    const ticket = uploadTicketCodec.decode(ticketBytes)
    const fits =
      equalBytes(ticket.folder, move.target) &&
      equalBytes(ticket.submissionRoot, root) &&
      equalBytes(ticket.sponsor, this.#options.account) &&
      ticket.versions === move.versions.length &&
      ticket.until <= this.#deps.now() + MAX_TICKET_MS + REQUEST_CLOCK_MS
    if (!fits) refuse()
    return { signature: this.#options.accountKey.sign(uploadTicketBytes(ticket)), folder: move.target }
  }

  /** Countersigns the anchor of what was moved, once it is stored. @throws EpioneError `not-sponsored`, `too-few-receipts`, `stale-members` */
  anchor(
    signed: SignedMove,
    transactionBytes: Uint8Array,
    receipts: readonly { receipt: Uint8Array; signature: Uint8Array }[],
    peer: Uint8Array,
  ): { transaction: Uint8Array; folder: Uint8Array } {
    const { move, root } = this.#check(signed, peer)
    const transaction = decodeTransaction(transactionBytes)
    const { from, contract, action, sponsor, body: bodyBytes } = transaction.content
    if (from.kind !== 'folder' || !equalBytes(from.id, move.target) || contract !== 'records' || action !== 'anchor') refuse()
    if (sponsor === null || !equalBytes(sponsor, this.#options.account)) refuse()
    const body = anchorBodyCodec.decode(bodyBytes)
    if (!equalBytes(body.folder, move.target) || !equalBytes(body.submissionRoot, root)) refuse()
    if (!equalBytes(transaction.signatures[0]?.publicKey ?? new Uint8Array(0), signed.targetKey)) refuse()
    requireReceipts(this.#deps, bodyBytes, receipts)
    const countersigned = countersign(transaction, this.#options.accountKey)
    if (!verifyTransaction(countersigned)) throw new EpioneError('bad-signature', 'The signature of the transaction does not fit.')
    return { transaction: countersigned.bytes, folder: move.target }
  }

  /**
   * The transaction that opens a further folder for the owner of one of this organisation's: its custody of records has begun already, and
   * no person of the organisation has to be asked. @throws EpioneError `not-sponsored`
   */
  openFolder(
    ask: { content: Uint8Array; key: Uint8Array; signature: Uint8Array },
    peer: Uint8Array,
  ): { transaction: Uint8Array; folder: Uint8Array } {
    const content = openFolderCodec.decode(ask.content)
    this.#requireHere(content, peer)
    this.#folderOf(content.folder, ask.key)
    if (!verifySignature(ask.key, concat(domain(OPEN_FOLDER_DOMAIN), ask.content), ask.signature)) refuse()
    createFolderCodec.decode(content.body)
    const transaction = createTransaction(
      {
        chainId: this.#deps.chain.chainId,
        from: { kind: 'account', id: this.#options.account },
        validUntil: onGrid(this.#deps.now() + VALIDITY_MS),
        nonce: randomBytes(16),
        contract: 'folders',
        action: 'create',
        body: content.body,
        sponsor: null,
      },
      this.#options.accountKey,
    )
    return { transaction: transaction.bytes, folder: content.folder }
  }

  #check(signed: SignedMove, peer: Uint8Array): { move: Move; root: Uint8Array } {
    const move = moveCodec.decode(signed.content)
    this.#requireHere(move, peer)
    this.#folderOf(move.source, signed.sourceKey)
    this.#folderOf(move.target, signed.targetKey)
    const bytes = moveBytes(signed.content)
    if (!verifySignature(signed.sourceKey, bytes, signed.sourceSignature)) refuse()
    if (!verifySignature(signed.targetKey, bytes, signed.targetSignature)) refuse()
    const anchored = this.#deps.chain.tip.tree.get(stateKey.submission(move.source, move.sourceRoot))
    // What another member anchored there is not this one's word, and cannot become it.
    if (anchored === undefined || !equalBytes(anchorCodec.decode(anchored).author, this.#options.account)) refuse()
    return { move, root: movedRoot(move) }
  }

  #requireHere({ chainId, peer, time }: { chainId: Uint8Array; peer: Uint8Array; time: number }, from: Uint8Array): void {
    const { chain, now } = this.#deps
    if (!equalBytes(chainId, chain.chainId) || !equalBytes(peer, from) || Math.abs(time - now()) > REQUEST_CLOCK_MS) refuse()
  }

  /** An open folder of this organisation's records, where this is its owner's key. */
  #folderOf(id: Uint8Array, key: Uint8Array): Folder {
    const folder = folderAt(this.#deps.chain.tip.tree, id)
    if (folder === undefined || folder.status !== 'open' || !equalBytes(folder.author, this.#options.account)) return refuse()
    return equalBytes(folder.ownerKeyHash, ownerKeyHash(key)) ? folder : refuse()
  }
}
