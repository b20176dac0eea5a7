/**
 * Over random histories of grants, revocations, rotations, reads and crashes: nobody gets at plaintext without a consent in force, every
 * read has its line, and a custodian that is behind, cut off or restored from a copy lets nothing go that has been closed for longer than the bound.
 */
import { mock } from 'node:test'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Person, SeededPerson } from '../../src/client/identity.ts'
import { sealingOpener } from '../../src/crypto/sealing.ts'
import { folderSealingSeed } from '../../src/crypto/wallet.ts'
import { concat, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { errorCode } from '../../src/encoding/errors.ts'
import { releaseReceiptCodec, sealingContext } from '../../src/fragments/formats.ts'
import { openPastKeys } from '../../src/fragments/past-keys.ts'
import type { FragmentSource } from '../../src/fragments/source-reader.ts'
import { releaseFrameCodec } from '../../src/network/fragment-messages.ts'
import { type FolderRequest, wrapResponseCodec } from '../../src/network/light-messages.ts'
import { property, type SeededRandom } from '../encoding/seeded.ts'
import { chunks } from '../fragments/dispersed.ts'
import { type ConsentRow, Model, type SessionRow, type VersionRow } from './access-model.ts'
import { decrypts, type Got, type Stash, sourceFrom } from './access-stash.ts'
import { AccessWorld, CODE, type Custodian, type Folder } from './access-world.ts'

const test = suite('who gets at what, over random histories')

const HISTORIES = 5
const STEPS = 160
/** Two heartbeats and the drift that is allowed for: what the ledger closed may go on for so long, by a custodian's own clock. */
const BOUND_MS = 75_000
const CLASSES = ['laboratory', 'document'] as const
/** Custodians' clocks against the world's, in ms. */
const SKEWS = [0, 900, -900, 300]
const DATA = ['start', 'versions', 'fragment', 'chunk']

/** How often what happened, over all histories: so that it is seen that something did. */
const counts: Record<string, number> = {}
function count(what: string): void {
  counts[what] = (counts[what] ?? 0) + 1
}

class History {
  readonly world: AccessWorld
  readonly model: Model
  readonly #random: SeededRandom
  readonly #folders: Folder[] = []
  readonly #stashes: Stash[]
  readonly #eclipsed = new Set<Custodian>()
  readonly #copied = new Set<Custodian>()
  /** Which custodians released a version to a party, each time with leave. */
  readonly #released = new Map<string, Set<number>>()
  /** Highest epoch of a folder whose key a party was given with leave. */
  readonly #reached = new Map<string, number>()
  readonly #lines = new Map<Folder, number>()
  #nextIndex = 0

  private constructor(world: AccessWorld, random: SeededRandom) {
    this.world = world
    this.model = new Model(world)
    this.#random = random
    this.#stashes = world.parties.map(() => ({ seeds: new Map(), versions: new Map() }))
  }

  static async run(random: SeededRandom): Promise<void> {
    await using world = await AccessWorld.open(SKEWS)
    const history = new History(world, random)
    for (let i = 0; i < 2; i++) history.#folders.push(await world.createFolder(history.#nextIndex++))
    for (let step = 0; step < STEPS; step++) {
      await history.#act()
      await history.#follow()
    }
    await history.#checkReceipts()
    await history.#checkPlaintext()
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : this.#random.pick(items)
  }

  /** Something somebody does. */
  async #act(): Promise<void> {
    const { world, model } = this
    const random = this.#random
    world.now += random.below(6000)
    const folder = random.pick(this.#folders)
    const roll = random.below(100)
    if (roll < 12) {
      const plaintext = random.bytes(100 + random.below(3000))
      const version = await world.put(folder, random.pick(CLASSES), plaintext)
      model.versions.push({ version, since: model.height, erasedAt: null })
    } else if (roll < 21) await this.#grant(folder)
    else if (roll < 25) await this.#revoke()
    else if (roll < 30) await this.#advance(folder)
    else if (roll < 42) await this.#openSession()
    else if (roll < 75) await this.#read()
    else if (roll < 87) await this.#getWrap(this.#pick(this.model.consents))
    else if (roll < 89) await this.#erase()
    else if (roll < 91) await world.rotate(folder, this.#nextIndex++)
    else await this.#trouble()
  }

  async #grant(folder: Folder): Promise<void> {
    const { world, model } = this
    const party = this.#random.below(world.parties.length)
    const classes = this.#random.below(3) === 0 ? [this.#random.pick(CLASSES)] : []
    const end = world.now + (this.#random.below(3) === 0 ? 30_000 + this.#random.below(200_000) : 30 * 86_400_000)
    const consent = await world.grant(folder, party, { classes, end })
    const epochs = [{ height: model.height, epoch: folder.epoch }]
    model.consents.push({ consent, classes, end, since: model.height, revokedAt: null, epochs })
  }

  async #revoke(row = this.#pick(this.model.consents.filter(({ revokedAt }) => revokedAt === null))): Promise<void> {
    if (row === undefined) return
    await this.world.revoke(row.consent)
    row.revokedAt = this.model.height
  }

  /** Revokes some, takes most others along, and leaves some behind. */
  async #advance(folder: Folder): Promise<void> {
    const { world, model } = this
    const rows = model.active(folder)
    const revoked = rows.filter(() => this.#random.below(4) === 0)
    const along = rows.filter(row => !revoked.includes(row) && row.end > world.now + 60_000 && this.#random.below(5) > 0)
    await world.advance(
      folder,
      revoked.map(({ consent }) => consent),
      along.map(({ consent }) => consent),
    )
    for (const row of revoked) row.revokedAt = model.height
    for (const row of along) row.epochs.push({ height: model.height, epoch: folder.epoch })
  }

  async #openSession(): Promise<void> {
    const { world, model } = this
    const row = this.#pick(model.consents.filter(({ revokedAt, end }) => revokedAt === null && end > world.now))
    if (row === undefined) return
    const { folder } = row.consent
    const lines = this.#lines.get(folder) ?? 0
    const session = await world.openSession(row.consent, 30_000 + this.#random.below(600_000), lines)
    this.#lines.set(folder, lines + 1)
    model.sessions.push({ session, row, since: model.height, until: session.until })
    await this.#follow()
    await this.#getWrap(row)
  }

  async #erase(): Promise<void> {
    const row = this.#pick(this.model.versions.filter(({ erasedAt }) => erasedAt === null))
    if (row === undefined) return
    await this.world.erase(row.version)
    row.erasedAt = this.model.height
  }

  /** Something that goes wrong, or goes on for long. */
  async #trouble(): Promise<void> {
    const { world } = this
    const custodian = this.#random.pick(world.custodians)
    switch (this.#random.below(6)) {
      case 0:
        count('restarts')
        return await custodian.restart()
      case 1:
        this.#copied.add(custodian)
        return await custodian.backUp()
      case 2:
        if (!this.#copied.has(custodian)) return
        count('restored')
        return await custodian.restore()
      case 3:
        count('eclipsed')
        this.#eclipsed.add(custodian)
        return
      case 4:
        this.#eclipsed.clear()
        return
      default:
        // Nothing is decided for a while, or blocks come without acts.
        world.now += this.#random.below(90_000)
        if (this.#random.below(2) === 0) await world.commit()
    }
  }

  /** Custodians that are not cut off apply what there is, or some of it. */
  async #follow(): Promise<void> {
    for (const custodian of this.world.custodians) {
      if (this.#eclipsed.has(custodian)) continue
      await custodian.apply(this.#random.below(3) > 0 ? this.model.height : this.#random.below(3))
    }
  }

  /** Where a custodian stands now. */
  #state(custodian: Custodian) {
    const { height, time } = custodian.chain.tip.header
    return { height, now: custodian.now(), fresh: custodian.now() - time <= BOUND_MS }
  }

  async #read(): Promise<void> {
    const { world, model } = this
    const random = this.#random
    const isAny = random.below(4) === 0
    const session = this.#pick(model.sessions.filter(({ until, row }) => isAny || (until > world.now && row.revokedAt === null)))
    const row = this.#pick(model.versions.filter(({ version }) => isAny || version.folder === session?.row.consent.folder))
    if (session === undefined || row === undefined) return
    for (const custodian of world.custodians) if (random.below(2) === 0) await this.#readFrom(custodian, session, row)
  }

  async #readFrom(custodian: Custodian, session: SessionRow, row: VersionRow): Promise<void> {
    const { world, model } = this
    const random = this.#random
    // Now and then it is another reader who has got hold of somebody's openings.
    const isOther = random.below(12) === 0
    const party = isOther ? (session.row.consent.party + 1) % world.parties.length : session.row.consent.party
    let states = [this.#state(custodian)]
    const mayBe = (state: (typeof states)[number]): boolean => !isOther && state.fresh && model.permits(session, row, state.height)
    const expected = mayBe(states[0] as (typeof states)[number])
    const holds = (await custodian.parts.submissions.get(row.version.root)) !== undefined
    const isDisturbed = random.below(3) === 0
    const { channel, served } = custodian.read(world.parties[party] as SeededPerson, session.session, row.version)
    const got: { fragment?: Extract<ReturnType<typeof releaseFrameCodec.decode>, { type: 'fragment' }>['value']; chunks: Uint8Array[] } = {
      chunks: [],
    }
    let outcome = ''
    for (let bytes = await channel.take(); bytes !== undefined; bytes = await channel.take()) {
      const frame = releaseFrameCodec.decode(bytes)
      outcome = frame.type === 'error' ? new TextDecoder().decode(frame.value.code) : frame.type
      if (DATA.includes(frame.type)) {
        assert.ok(states.some(mayBe), `${frame.type} without leave, of custodian ${custodian.number}`)
        const latest = Math.min(...states.map(({ now }) => now))
        assert.ok(
          latest <= model.closedAt(session, row) + BOUND_MS,
          `${frame.type} ${latest - model.closedAt(session, row)} ms after the end`,
        )
      }
      if (frame.type === 'start') await this.#checkReceipt(custodian, session, row, states[0] as (typeof states)[number])
      if (frame.type === 'versions') this.#gotOf(party, row).meta = frame.value[0]?.meta
      if (frame.type === 'fragment') got.fragment = frame.value
      if (frame.type === 'chunk') got.chunks.push(Uint8Array.from(frame.value))
      states = [this.#state(custodian)]
      if (isDisturbed && random.below(2) === 0) {
        world.now += random.below(30_000)
        if (session.row.revokedAt === null && random.below(2) === 0) await this.#revoke(session.row)
        await custodian.apply(random.below(2) === 0 ? random.below(4) : model.height)
        states.push(this.#state(custodian))
      }
    }
    await served
    count(outcome)
    if (!isDisturbed) assert.is(outcome === 'end', expected && holds, `${outcome}, expected ${expected}, held ${holds}`)
    assert.ok(['end', 'not-found', 'stale', 'behind'].includes(outcome), outcome)
    if (got.fragment === undefined || got.chunks.length === 0) return
    const { root: fragmentRoot, proof, chunkLeaves } = got.fragment
    const fragment = concat(...got.chunks)
    const source = { index: custodian.number, fragmentRoot, proof, chunkLeaves, open: (first: number) => chunks(fragment, first) }
    this.#gotOf(party, row).sources.set(custodian.number, source)
    const key = this.#key(party, row)
    this.#released.set(key, (this.#released.get(key) ?? new Set()).add(custodian.number))
  }

  #key(party: number, row: VersionRow): string {
    return `${party} ${this.model.versions.indexOf(row)}`
  }

  #gotOf(party: number, row: VersionRow): Got {
    const { versions } = this.#stashes[party] as Stash
    const got = versions.get(row) ?? { meta: undefined, sources: new Map() }
    versions.set(row, got)
    return got
  }

  /** Before anything goes out its receipt is kept, with the height at which it was decided. */
  async #checkReceipt(
    custodian: Custodian,
    { session }: SessionRow,
    { version }: VersionRow,
    { height }: { height: number },
  ): Promise<void> {
    const { receipts } = await custodian.parts.receipts.page(session.consent.folder.id, 0, 1000)
    const kept = receipts.map(({ receipt }) => releaseReceiptCodec.decode(receipt))
    const isKept = kept.some(
      one => equalBytes(one.entry, session.entry) && equalBytes(one.submissionRoot, version.root) && one.height === height,
    )
    assert.ok(isKept, 'a release without a receipt')
  }

  async #getWrap(row: ConsentRow | undefined): Promise<void> {
    if (row === undefined) return
    for (const custodian of this.world.custodians) if (this.#random.below(2) === 0) await this.#getWrapFrom(custodian, row)
  }

  async #getWrapFrom(custodian: Custodian, row: ConsentRow): Promise<void> {
    const { world, model } = this
    const { consent } = row
    const { signing, sealing } = world.parties[consent.party] as SeededPerson
    const state = this.#state(custodian)
    const isExpected = state.fresh && model.consentStands(row, state.height)
    let answer: ReturnType<typeof wrapResponseCodec.decode>
    try {
      const bytes = await custodian.ask(signing, consent.folder.id, consent.id, ask => ({ type: 'get-wrap', value: ask }) as FolderRequest)
      answer = wrapResponseCodec.decode(bytes)
    } catch (error) {
      // One that was behind when the grant was left with it does not have it.
      assert.ok(['not-found', 'stale'].includes(errorCode(error)), String(error))
      count(`no key: ${errorCode(error)}`)
      return
    }
    assert.ok(isExpected, `a key without leave, of custodian ${custodian.number}`)
    assert.ok(state.now <= model.grantClosedAt(row) + BOUND_MS, 'a key after the bound')
    const epoch = model.epochAt(row, state.height)
    const context = sealingContext.grant(world.ledger.chainId, consent.folder.id, epoch, consent.commitment)
    this.#learn(this.#stashes[consent.party] as Stash, consent.folder, epoch, sealing.open(answer.wrap, context), answer.past)
    const place = `${consent.party} ${toHex(consent.folder.id)}`
    this.#reached.set(place, Math.max(epoch, this.#reached.get(place) ?? -1))
    count('keys')
  }

  #learn({ seeds }: Pick<Stash, 'seeds'>, folder: Folder, epoch: number, seed: Uint8Array, past: Uint8Array | null): void {
    const place = { chainId: this.world.ledger.chainId, folder: folder.id, epoch }
    const all = past === null ? [] : openPastKeys(sealingOpener(seed), past, place)
    for (const [i, one] of [...all.entries(), [epoch, seed] as const]) seeds.set(`${toHex(folder.id)} ${i}`, one)
  }

  /** Every receipt that is kept has its line, at or before its height, and a consent was in force there. */
  async #checkReceipts(): Promise<void> {
    const { world, model } = this
    for (const custodian of world.custodians) {
      for (const { id } of this.#folders) {
        const { receipts, more } = await custodian.parts.receipts.page(id, 0, 10_000)
        assert.is(more, false)
        for (const { receipt } of receipts) {
          const { entry, height, submissionRoot } = releaseReceiptCodec.decode(receipt)
          const session = model.sessions.find(known => equalBytes(known.session.entry, entry))
          const row = model.versions.find(({ version }) => equalBytes(version.root, submissionRoot))
          assert.ok(session !== undefined && row !== undefined, 'a receipt without a line')
          assert.ok(model.permits(session, row, height), 'a receipt of a height without a consent in force')
          assert.ok((await world.ledger.store.logItemById(entry)) !== undefined)
          count('receipts')
        }
      }
    }
  }

  /** What readers can decrypt with all that they ever got, alone and with a dishonest custodian, is what they had leave for. */
  async #checkPlaintext(): Promise<void> {
    const { world, model } = this
    const accomplice = world.custodians[0] as Custodian
    for (const [party, stash] of this.#stashes.entries()) {
      const all: Pick<Stash, 'seeds'> = { seeds: new Map(stash.seeds) }
      for (const { party: to, folder, epoch, commitment, wrap } of world.wraps) {
        if (to !== party) continue
        const context = sealingContext.grant(world.ledger.chainId, folder.id, epoch, commitment)
        const seed = (world.parties[party] as Person).sealing.open(wrap, context)
        for (let i = 0; i < epoch; i++) all.seeds.set(`${toHex(folder.id)} ${i}`, folderSealingSeed(world.wallet.seed, folder.index, i))
        all.seeds.set(`${toHex(folder.id)} ${epoch}`, seed)
      }
      for (const row of model.versions) {
        const { version } = row
        const released = this.#released.get(this.#key(party, row)) ?? new Set()
        const got = stash.versions.get(row) ?? { meta: undefined, sources: new Map<number, FragmentSource>() }
        const hasKey = stash.seeds.has(`${toHex(version.folder.id)} ${version.epoch}`)
        const reached = this.#reached.get(`${party} ${toHex(version.folder.id)}`) ?? -1
        assert.ok(!hasKey || version.epoch <= reached, 'a key of an epoch that no consent reached')
        const can = await decrypts(world.ledger.chainId, stash.seeds, row.version, got)
        assert.is(can, hasKey && released.size >= CODE.k, `reader ${party} and version ${model.versions.indexOf(row)}`)
        count(can ? 'decrypted' : 'not decrypted')

        // Together with one custodian that gives away its fragments, its metadata and every wrap: one that is honest has to release as well.
        const { dispersalRoot } = version.meta.leaf
        const fragment = await accomplice.parts.fragments.readAll({ dispersalRoot, index: 0 }).catch(() => undefined)
        if (fragment === undefined) continue
        const held = await accomplice.parts.submissions.version(version.root, 0)
        if (held === undefined) continue
        const source = await sourceFrom(accomplice, held.fragmentRoots, dispersalRoot, fragment)
        const together = await decrypts(world.ledger.chainId, all.seeds, row.version, {
          meta: held.meta,
          sources: new Map([...got.sources, [0, source]]),
        })
        const honest = [...released].filter(number => number !== 0)
        assert.ok(!together || honest.length >= CODE.k - 1, `reader ${party} and a custodian alone`)
        count(together ? 'decrypted together' : 'not decrypted together')
      }
    }
  }
}

test(
  'nobody reads without a consent in force, every read has its line, and nothing goes on after the bound',
  property(async random => {
    // The clock is the world's: whoever would wait for a block hears at once that it is not there.
    const timeout = mock.method(AbortSignal, 'timeout', () => AbortSignal.abort())
    try {
      for (let i = 0; i < HISTORIES; i++) await History.run(random)
    } finally {
      timeout.mock.restore()
    }
    console.log(`\n» ${JSON.stringify(counts)}`)
    for (const [what, least] of [
      ['end', 8],
      ['not-found', 20],
      ['stale', 1],
      ['keys', 10],
      ['receipts', 8],
      ['decrypted', 1],
      ['not decrypted', 20],
      ['not decrypted together', 20],
    ] as const) {
      assert.ok((counts[what] ?? 0) >= least, `${what}: ${counts[what] ?? 0}`)
    }
  }),
)

test.run()
