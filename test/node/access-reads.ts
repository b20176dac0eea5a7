/** Who asks custodians for records, keys and shares in a random history; what goes out is held against the model as it does. */
import * as assert from 'uvu/assert'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { concat, equalBytes } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { releaseReceiptCodec, sealingContext } from '../../src/fragments/formats.ts'
import { releaseFrameCodec } from '../../src/network/fragment-messages.ts'
import { type FolderRequest, wrapResponseCodec } from '../../src/network/light-messages.ts'
import type { SeededRandom } from '../encoding/seeded.ts'
import { chunks } from '../fragments/dispersed.ts'
import type { Custodian } from './access-custodian.ts'
import type { ConsentRow, Model, SessionRow, VersionRow } from './access-model.ts'
import { HOLDERS, holder } from './access-people.ts'
import type { Stashes } from './access-stash.ts'
import type { AccessWorld, Folder } from './access-world.ts'

/** Two heartbeats and the drift that is allowed for: what the ledger closed may go on for so long, by a custodian's own clock. */
const BOUND_MS = 75_000
const DATA = ['start', 'versions', 'fragment', 'chunk']

type FragmentFrame = Extract<ReturnType<typeof releaseFrameCodec.decode>, { type: 'fragment' }>['value']

/** Where a custodian stands at some moment. */
interface State {
  readonly height: number
  readonly now: number
  readonly fresh: boolean
}

interface Part {
  readonly world: AccessWorld
  readonly model: Model
  readonly stashes: Stashes
  readonly random: SeededRandom
  readonly count: (what: string) => void
  readonly revoke: (row: ConsentRow) => Promise<void>
  readonly erase: (row: VersionRow) => Promise<void>
}

export class AccessReads {
  readonly #part: Part

  constructor(part: Part) {
    this.#part = part
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : this.#part.random.pick(items)
  }

  #state(custodian: Custodian): State {
    const { height, time } = custodian.chain.tip.header
    return { height, now: custodian.now(), fresh: custodian.now() - time <= BOUND_MS }
  }

  /** The key that somebody asks with who has a session. */
  #keyOf({ under, session, reader }: SessionRow): SigningKey {
    const { world } = this.#part
    if (under.kind === 'owner' && reader === null) return world.ownerKey(session.folder, under.ownerIndex)
    if (under.kind === 'delegate' && reader === under.row.consent.holder) return under.row.consent.key
    return holder(reader as number).signing
  }

  /** Somebody reads a version from some custodians, with or without leave. */
  async read(): Promise<void> {
    const { world, model, random } = this.#part
    const isAny = random.below(4) === 0
    const ended = model.sessions.filter(known => model.sessionClosedAt(known) <= world.now)
    const open = model.sessions.filter(known => !ended.includes(known))
    const kinds = [...new Set(open.map(known => this.#kindOf(known)))]
    const kind = this.#pick(kinds)
    const session = isAny ? this.#pick(ended.slice(-12)) : this.#pick(open.filter(known => this.#kindOf(known) === kind))
    if (session === undefined) return
    const there = model.versions.filter(({ version }) => version.folder === session.session.folder)
    const likely = there.filter(known => model.permits(session, known, isAny ? session.since : model.height))
    const row = random.below(3) > 0 && likely.length > 0 ? this.#pick(likely) : this.#pick(isAny ? model.versions : there)
    if (row === undefined) return
    for (const custodian of world.custodians) if (random.below(2) === 0) await this.#readFrom(custodian, session, row)
    if (session.under.kind === 'emergency' && random.below(3) === 0) await this.getShares(session)
  }

  #kindOf({ under }: SessionRow): string {
    return under.kind === 'consent' && under.row.by !== null ? 'consent of a delegate' : under.kind
  }

  async #readFrom(custodian: Custodian, session: SessionRow, row: VersionRow): Promise<void> {
    const { world, model, random, stashes, count } = this.#part
    // Now and then it is another reader who has got hold of somebody's openings.
    const isOther = random.below(12) === 0
    const key = isOther ? world.ownerKey(session.session.folder, 1000) : this.#keyOf(session)
    let states = [this.#state(custodian)]
    const mayBe = (state: State): boolean => !isOther && state.fresh && model.permits(session, row, state.height)
    const expected = mayBe(states[0] as State)
    const holds = (await custodian.parts.submissions.get(row.version.root)) !== undefined
    const isDisturbed = random.below(3) === 0
    const { channel, served } = custodian.read(session.session, key, row.version)
    const got: { fragment?: FragmentFrame; chunks: Uint8Array[] } = { chunks: [] }
    let outcome = ''
    for (let bytes = await channel.take(); bytes !== undefined; bytes = await channel.take()) {
      const frame = releaseFrameCodec.decode(bytes)
      outcome = frame.type === 'error' ? new TextDecoder().decode(frame.value.code) : frame.type
      if (DATA.includes(frame.type)) {
        assert.ok(states.some(mayBe), `${frame.type} without leave, of custodian ${custodian.number}, ${session.under.kind}`)
        const latest = Math.min(...states.map(({ now }) => now))
        const late = latest - model.closedAt(session, row)
        assert.ok(late <= BOUND_MS, `${frame.type} ${late} ms after the end`)
      }
      if (frame.type === 'start') await this.#checkReceipt(custodian, session, row, states[0] as State)
      const { reader } = session
      if (frame.type === 'versions' && frame.value[0] !== undefined && reader !== null)
        stashes.of(reader).metas.set(row, frame.value[0].meta)
      if (frame.type === 'fragment') got.fragment = frame.value
      if (frame.type === 'chunk') got.chunks.push(Uint8Array.from(frame.value))
      states = [this.#state(custodian)]
      if (isDisturbed && random.below(2) === 0) {
        world.now += random.below(30_000)
        await this.#close(session, row)
        await custodian.apply(random.below(2) === 0 ? random.below(4) : model.height)
        states.push(this.#state(custodian))
      }
    }
    await served
    count(outcome)
    if (outcome === 'end') count(`read: ${this.#kindOf(session)}`)
    if (!isDisturbed)
      assert.is(outcome === 'end', expected && holds, `${session.under.kind}: ${outcome}, expected ${expected}, held ${holds}`)
    assert.ok(['end', 'not-found', 'stale', 'behind'].includes(outcome), outcome)
    if (session.reader === null || got.fragment === undefined || got.chunks.length === 0) return
    const { root: fragmentRoot, proof, chunkLeaves } = got.fragment
    const fragment = concat(...got.chunks)
    const source = { index: custodian.number, fragmentRoot, proof, chunkLeaves, open: (first: number) => chunks(fragment, first) }
    stashes.addFragment(session.reader, row, source)
  }

  /** Ends what is read, or what it is read under, now and then: the consent, or the delegation that it was granted under. */
  async #close({ under }: SessionRow, version: VersionRow): Promise<void> {
    const { random, revoke, erase } = this.#part
    if (version.erasedAt === null && random.below(4) === 0) await erase(version)
    if (!('row' in under) || random.below(2) === 0) return
    const row = under.row.by !== null && random.below(2) === 0 ? under.row.by : under.row
    if (row.revokedAt === null) await revoke(row)
  }

  /** Before anything goes out its receipt is kept, with the height at which it was decided. */
  async #checkReceipt(custodian: Custodian, { session }: SessionRow, { version }: VersionRow, { height }: State): Promise<void> {
    const { receipts } = await custodian.parts.receipts.page(session.folder.id, 0, 1000)
    const kept = receipts.map(({ receipt }) => releaseReceiptCodec.decode(receipt))
    const isKept = kept.some(
      one => equalBytes(one.entry, session.entry) && equalBytes(one.submissionRoot, version.root) && one.height === height,
    )
    assert.ok(isKept, 'a release without a receipt')
  }

  /** Somebody asks some custodians for the key of a grant. */
  async getWrap(row: ConsentRow | undefined): Promise<void> {
    if (row === undefined) return
    const { world, random } = this.#part
    for (const custodian of world.custodians) if (random.below(2) === 0) await this.#getWrapFrom(custodian, row)
  }

  async #getWrapFrom(custodian: Custodian, row: ConsentRow): Promise<void> {
    const { world, model, stashes, random, count } = this.#part
    const { consent } = row
    const isOther = random.below(10) === 0
    const key = isOther ? this.#otherThan(consent.key) : consent.key
    const state = this.#state(custodian)
    const isExpected = !isOther && state.fresh && model.stands(row, state.height)
    let answer: ReturnType<typeof wrapResponseCodec.decode>
    try {
      const bytes = await custodian.ask(key, consent.folder.id, consent.id, ask => ({ type: 'get-wrap', value: ask }) as FolderRequest)
      answer = wrapResponseCodec.decode(bytes)
    } catch (error) {
      // One that was behind when the grant was left with it does not have it.
      assert.ok(['not-found', 'stale'].includes(errorCode(error)), String(error))
      count(`no key: ${errorCode(error)}`)
      return
    }
    assert.ok(isExpected, `a key without leave, of custodian ${custodian.number}, to ${consent.to.type}`)
    assert.ok(state.now <= model.consentClosedAt(row) + BOUND_MS, 'a key after the bound')
    const epoch = model.epochAt(row, state.height)
    const context = sealingContext.grant(world.ledger.chainId, consent.folder.id, epoch, consent.commitment)
    stashes.learn(consent.holder, consent.folder, epoch, holder(consent.holder).sealing.open(answer.wrap, context), answer.past)
    count(`key: ${consent.to.type}`)
  }

  #otherThan(key: SigningKey): SigningKey {
    return this.#part.random.pick(HOLDERS.filter(({ signing }) => !equalBytes(signing.publicKey, key.publicKey))).signing
  }

  /** Who broke the glass asks some custodians for their shares. */
  async getShares(row: SessionRow): Promise<void> {
    const { world, random } = this.#part
    for (const custodian of world.custodians) if (random.below(4) > 0) await this.#getShareFrom(custodian, row)
  }

  async #getShareFrom(custodian: Custodian, row: SessionRow): Promise<void> {
    const { model, stashes, random, count } = this.#part
    const isOther = random.below(12) === 0
    const key = isOther ? this.#otherThan(this.#keyOf(row)) : this.#keyOf(row)
    const state = this.#state(custodian)
    let answer: Awaited<ReturnType<Custodian['share']>>
    try {
      answer = await custodian.share(row.session, key)
    } catch (error) {
      assert.ok(['not-found', 'stale', 'behind'].includes(errorCode(error)), String(error))
      count(`no share: ${errorCode(error)}`)
      return
    }
    const { position, share, hash, past } = answer
    const isAllowed = !isOther && state.fresh && this.#maySeeShares(row, state.height)
    assert.ok(isAllowed, `a share without leave, of custodian ${custodian.number}`)
    assert.ok(state.now <= model.sessionClosedAt(row) + BOUND_MS, 'a share after the bound')
    const deposit = model.depositAt(row.session.folder, state.height)
    assert.ok(deposit !== null && equalBytes(deposit.hash, hash), 'a share of another deposit')
    const isKey = await stashes.addShare(row.reader as number, deposit as NonNullable<typeof deposit>, { position, share }, past)
    count(isKey ? 'key: emergency' : 'share')
  }

  #maySeeShares(row: SessionRow, height: number): boolean {
    return row.session.folder.label === 'emergency-summary' && this.#part.model.isOpen(row, height)
  }

  /** Every receipt that is kept has its line, at or before its height, and somebody had leave there. */
  async checkReceipts(folders: readonly Folder[]): Promise<void> {
    const { world, model, count } = this.#part
    for (const custodian of world.custodians) {
      for (const { id } of folders) {
        const { receipts, more } = await custodian.parts.receipts.page(id, 0, 10_000)
        assert.is(more, false)
        for (const { receipt } of receipts) {
          const { entry, height, submissionRoot, leaves } = releaseReceiptCodec.decode(receipt)
          const session = model.sessions.find(known => equalBytes(known.session.entry, entry))
          assert.ok(session !== undefined && (await world.ledger.store.logItemById(entry)) !== undefined, 'a receipt without a line')
          const row = session as SessionRow
          const version = model.versions.find(known => equalBytes(known.version.root, submissionRoot))
          const isShare = leaves.length === 0
          const isRight = isShare ? this.#maySeeShares(row, height) : version !== undefined && model.permits(row, version, height)
          assert.ok(isRight, 'a receipt of a height at which nobody had leave')
          count(isShare ? 'receipts of shares' : 'receipts')
        }
      }
    }
  }
}
