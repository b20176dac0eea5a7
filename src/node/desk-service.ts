/**
 * The organisation's desk: its own people ask its node to sign for them. The node answers for whom it lists as staff; what is
 * signed here shows on the ledger under the organisation's name.
 */

import { MAX_SESSION_MS, openBodyCodec } from '../contracts/access-formats.ts'
import { accessCommitment, accessOpeningCodec, consentOpeningCodec, type Grantee } from '../contracts/consent-terms.ts'
import { answerDisputeCodec, disputeOpeningCodec } from '../contracts/disputes-formats.ts'
import { createFolderCodec } from '../contracts/folders-formats.ts'
import { stateKey } from '../contracts/state-keys.ts'
import { randomBytes } from '../crypto/random.ts'
import { type SealingKey, seal } from '../crypto/sealing.ts'
import { type SigningKey, verifySignature } from '../crypto/signature.ts'
import { concat, equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { sealingContext, uploadTicketBytes, uploadTicketCodec } from '../fragments/formats.ts'
import { onGrid } from '../ledger/instants.ts'
import { createTransaction } from '../ledger/transaction.ts'
import {
  DESK_DOMAIN,
  type DeskAction,
  type DeskResponse,
  deskContentCodec,
  deskRequestCodec,
  deskResponseCodec,
  REQUEST_CLOCK_MS,
} from '../network/light-messages.ts'
import type { Network, RequestContext } from '../network/network.ts'
import { MAX_LIGHT_REQUEST, PROTOCOL } from '../network/protocols.ts'
import type { Chain } from './chain.ts'
import { type Asker, checkEmergency, checkReview, requireReviewer } from './desk-emergency.ts'
import type { Directory } from './directory.ts'
import type { EmergencyCases } from './emergency-cases.ts'
import { folderAt, notFound } from './folder-facts.ts'
import type { GrantFinder } from './grant-finder.ts'
import { servePeer } from './malformed.ts'
import type { Notices } from './notices.ts'
import { evenly } from './refusals.ts'
import type { Staff } from './staff.ts'
import { requireReceipts } from './storage-receipts.ts'
import type { TransactionService } from './transactions.ts'

/** Transactions of the desk stay valid this long, in ms: long enough for a chain that is slow, short enough to give up. */
const VALIDITY_MS = 10 * 60 * 1000
/** Longest life of an upload ticket, in ms. */
const MAX_TICKET_MS = 60 * 60 * 1000
const REQUEST_TIMEOUT_MS = 15_000
/** When a grant is refused, in ms after the question: custodians are asked for one that is there, and take their own time to refuse. */
const REWRAP_REFUSAL_MS = 500
/** Most request nonces remembered against replay, each for twice the allowed difference of clocks. */
const MAX_NONCES = 100_000

export interface DeskOptions {
  account: Uint8Array
  accountKey: SigningKey
  sealingKey: SealingKey
}

export interface DeskDependencies {
  chain: Chain
  directory: Directory
  network: Network
  staff: Staff
  transactions: TransactionService
  grants: GrantFinder
  notices: Notices
  cases: EmergencyCases
  now: () => number
}

export class DeskService {
  readonly #options: DeskOptions
  readonly #deps: DeskDependencies
  readonly #nonces = new Map<string, number>()

  constructor(options: DeskOptions, dependencies: DeskDependencies) {
    this.#options = options
    this.#deps = dependencies
  }

  async start(): Promise<void> {
    await this.#deps.network.handle(
      PROTOCOL.desk,
      'anyone',
      async (request, context) =>
        await servePeer(this.#deps.network, context.peer, async () => deskResponseCodec.encode(await this.#answer(request, context))),
      {
        maxRequest: MAX_LIGHT_REQUEST + 512,
        maxResponse: deskResponseCodec.maxBytes,
        timeoutMs: REQUEST_TIMEOUT_MS,
        maxStreams: 64,
      },
    )
  }

  async #answer(bytes: Uint8Array, context: RequestContext): Promise<DeskResponse> {
    const request = deskRequestCodec.decode(bytes)
    const content = deskContentCodec.decode(request.content)
    const { chain, staff, now } = this.#deps
    const refuse = (): never => {
      throw new EpioneError(
        'not-staff',
        'This node does not know the asker as one of its people. Its operator adds a person with: epione staff add',
      )
    }
    if (!equalBytes(content.chainId, chain.chainId) || !equalBytes(content.account, this.#options.account)) return refuse()
    if (!equalBytes(content.peer, context.peer)) return refuse()
    if (!verifySignature(request.key, concat(domain(DESK_DOMAIN), request.content), request.signature)) return refuse()
    const role = await staff.roleOf(request.key)
    if (role === undefined) return refuse()
    if (Math.abs(content.time - now()) > REQUEST_CLOCK_MS) {
      throw new EpioneError('clock-differs', "The asker's clock differs from this node's by more than two minutes.")
    }
    this.#once(content.nonce)
    return await this.#act(content.action, request.key, role)
  }

  /** Refuses a request that was served before. */
  #once(nonce: Uint8Array): void {
    const now = this.#deps.now()
    for (const [key, until] of this.#nonces) {
      if (until > now && this.#nonces.size < MAX_NONCES) break
      this.#nonces.delete(key)
    }
    const key = toHex(nonce)
    if (this.#nonces.has(key)) throw new EpioneError('replayed', 'This request was served before.')
    this.#nonces.set(key, now + 2 * REQUEST_CLOCK_MS)
  }

  async #act(action: DeskAction, person: Uint8Array, role: string): Promise<DeskResponse> {
    switch (action.type) {
      case 'open-folder':
        createFolderCodec.decode(action.value.body)
        return await this.#submit('folders', 'create', action.value.body, action.value.holdMs)
      case 'ticket':
        return { type: 'signature', value: this.#ticket(action.value.ticket) }
      case 'anchor':
        requireReceipts(this.#deps, action.value.body, action.value.receipts)
        return await this.#submit('records', 'anchor', action.value.body)
      case 'access':
        this.#checkAccess(action.value.body, action.value.opening, person, role)
        return await this.#submit('access', 'open', action.value.body)
      case 'rewrap':
        return await evenly(async () => await this.#rewrap(action.value, role), REWRAP_REFUSAL_MS)
      case 'disputes':
        return await this.#disputes(action.value.folder, action.value.after)
      case 'answer-dispute':
        answerDisputeCodec.decode(action.value.body)
        return await this.#submit('disputes', 'answer', action.value.body)
      case 'notices':
        return { type: 'notices', value: await this.#deps.notices.waiting(person, action.value.after) }
      case 'acknowledge':
        await this.#deps.notices.acknowledge(person, action.value.acknowledgement, action.value.signature)
        return { type: 'done', value: {} }
      case 'emergency':
        // Kept first: who reviews must be able to see what it was.
        await this.#deps.cases.keep(checkEmergency(action.value.body, action.value.opening, this.#asker(person, role), this.#deps.now()))
        return await this.#submit('emergency', 'open', action.value.body)
      case 'review':
        checkReview(action.value.body, action.value.opening, this.#asker(person, role), this.#deps.chain.tip.tree)
        return await this.#submit('emergency', 'review', action.value.body)
      case 'cases':
        requireReviewer(role)
        return { type: 'cases', value: await this.#deps.cases.waiting(action.value.after) }
    }
  }

  #asker(person: Uint8Array, role: string): Asker {
    return { account: this.#options.account, person, role }
  }

  async #submit(contract: string, action: string, body: Uint8Array, holdMs = 0): Promise<DeskResponse> {
    const { chain, transactions, now } = this.#deps
    const transaction = createTransaction(
      {
        chainId: chain.chainId,
        from: { kind: 'account', id: this.#options.account },
        validUntil: onGrid(now() + holdMs + VALIDITY_MS),
        nonce: randomBytes(16),
        contract,
        action,
        body,
        sponsor: null,
      },
      this.#options.accountKey,
    )
    return { type: 'transaction', value: await transactions.submit(transaction.bytes, { holdMs }) }
  }

  #ticket(bytes: Uint8Array): Uint8Array {
    const ticket = uploadTicketCodec.decode(bytes)
    if (!equalBytes(ticket.sponsor, this.#options.account) || ticket.until > this.#deps.now() + MAX_TICKET_MS + REQUEST_CLOCK_MS) {
      throw new EpioneError('not-sponsored', 'The ticket names another sponsor or lasts for more than an hour.')
    }
    return this.#options.accountKey.sign(uploadTicketBytes(ticket))
  }

  #checkAccess(bodyBytes: Uint8Array, openingBytes: Uint8Array, person: Uint8Array, role: string): void {
    const body = openBodyCodec.decode(bodyBytes)
    const opening = accessOpeningCodec.decode(openingBytes)
    const right =
      equalBytes(opening.reader, person) &&
      opening.role === role &&
      equalBytes(opening.folder, body.folder) &&
      equalBytes(accessCommitment(opening), body.commitment) &&
      body.consent !== null &&
      body.until <= this.#deps.now() + MAX_SESSION_MS
    if (!right) throw new EpioneError('not-staff', `The access entry must name the asker, in the role of ${role}, for at most an hour.`)
  }

  /** Disputes of what this organisation wrote, with the statements that were sealed to it. */
  async #disputes(folder: Uint8Array, after: Uint8Array | null): Promise<DeskResponse> {
    const { chain, grants } = this.#deps
    const author = folderAt(chain.tip.tree, folder)?.author
    if (author === undefined || !equalBytes(author, this.#options.account)) throw notFound()
    const found = await grants.disputes(folder, after, this.#options.accountKey)
    const disputes = found.disputes.flatMap(({ dispute, opening, forAuthor }) => {
      if (chain.tip.tree.get(stateKey.dispute(folder, dispute)) === undefined) return []
      const { recordId, version } = disputeOpeningCodec.decode(opening)
      const context = sealingContext.statement(chain.chainId, folder, recordId, version)
      return [{ dispute, opening, statement: this.#options.sealingKey.open(forAuthor, context) }]
    })
    return { type: 'disputes', value: { disputes, next: found.next } }
  }

  /** Opens a grant to the organisation or to the asker's role, and seals it to the asker. */
  async #rewrap(ask: { folder: Uint8Array; consent: Uint8Array; sealingKey: Uint8Array }, role: string): Promise<DeskResponse> {
    const { chain, grants } = this.#deps
    const grant = await grants.find(ask.folder, ask.consent, this.#options.accountKey)
    const opening = consentOpeningCodec.decode(grant.opening)
    if (!this.#includes(opening.provision.grantee, role)) throw new EpioneError('not-found', 'There is no such grant.')
    const context = sealingContext.grant(chain.chainId, ask.folder, grant.epoch, grant.commitment)
    const wrap = seal(ask.sealingKey, this.#options.sealingKey.open(grant.wrap, context), context)
    return { type: 'grant', value: { opening: grant.opening, wrap, past: grant.past } }
  }

  #includes(grantee: Grantee | null, role: string): boolean {
    if (grantee === null || grantee.type === 'person') return false
    if (!equalBytes(grantee.value.organisation, this.#options.account)) return false
    return grantee.type === 'organisation' || grantee.value.role === role
  }
}
