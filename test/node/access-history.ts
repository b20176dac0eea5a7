/** One random history: what patients, delegates, organisations and clinicians do, what goes wrong, and who asks for what meanwhile. */
import type { AccessOpening, Purpose } from '../../src/contracts/consent-terms.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import type { SeededRandom } from '../encoding/seeded.ts'
import { type ConsentRow, Model, type SessionRow, type Under, type VersionRow } from './access-model.ts'
import { type Holder, holder, holdersOf, organisationOf } from './access-people.ts'
import { AccessReads } from './access-reads.ts'
import { Stashes } from './access-stash.ts'
import { AccessWorld, dayAfter, type Folder, type Grantee } from './access-world.ts'

const STEPS = 180
const HOUR = 3_600_000
const DAY = 24 * HOUR
const CLASSES = ['laboratory', 'document'] as const
/** Custodians' clocks against the world's, in ms. */
const SKEWS = [0, 900, -900, 300]
const ROLES = ['physician', 'nurse', 'owner', 'delegate', 'emergency-physician'] as const

export class History {
  readonly world: AccessWorld
  readonly model: Model
  readonly #stashes: Stashes
  readonly #reads: AccessReads
  readonly #random: SeededRandom
  readonly #count: (what: string) => void
  readonly #folders: Folder[] = []
  readonly #eclipsed = new Set<number>()
  readonly #copied = new Set<number>()
  #nextIndex = 0
  #groups = 0

  private constructor(world: AccessWorld, random: SeededRandom, count: (what: string) => void) {
    this.world = world
    this.model = new Model(world)
    this.#random = random
    this.#count = count
    this.#stashes = new Stashes(world)
    this.#reads = new AccessReads({
      world,
      model: this.model,
      stashes: this.#stashes,
      random,
      count,
      revoke: async row => await this.#revoke(row),
      erase: async row => await this.#eraseNow(row),
    })
  }

  /** Plays a history and checks it as it goes on; @throws AssertionError where somebody got what was not theirs */
  static async run(random: SeededRandom, count: (what: string) => void): Promise<void> {
    await using world = await AccessWorld.open(SKEWS)
    const history = new History(world, random, count)
    for (const label of ['normal', 'emergency-summary'] as const) {
      const folder = await world.createFolder(history.#nextIndex, label)
      history.model.note(history.model.owners, folder, history.#nextIndex++)
      history.#folders.push(folder)
    }
    for (const folder of history.#folders) await history.#deposit(folder)
    for (let step = 0; step < STEPS; step++) {
      await history.#act()
      await history.#follow()
    }
    await history.#reads.checkReceipts(history.#folders)
    await history.#stashes.check(history.model, count)
  }

  #pick<T>(items: readonly T[]): T | undefined {
    return items.length === 0 ? undefined : this.#random.pick(items)
  }

  #isOneOf(number: number): boolean {
    return this.#random.below(number) === 0
  }

  /** Something somebody does. */
  async #act(): Promise<void> {
    const { world } = this
    const random = this.#random
    world.now += random.below(6000)
    const folder = random.pick(this.#folders)
    const roll = random.below(100)
    if (roll < 10) await this.#put(folder)
    else if (roll < 19) await this.#grant(folder)
    else if (roll < 23) await this.#delegate(folder)
    else if (roll < 27) await this.#revoke()
    else if (roll < 31) await this.#advance(folder)
    else if (roll < 42) await this.#openSession()
    else if (roll < 45) await this.#openAsOwner(folder)
    else if (roll < 48) await this.#breakGlass(folder)
    else if (roll < 51) await this.#deposit(folder)
    else if (roll < 76) await this.#reads.read()
    else if (roll < 85) await this.#reads.getWrap(this.#pick(this.model.consents))
    else if (roll < 88) await this.#erase()
    else if (roll < 90) await this.#rotate(folder)
    else await this.#trouble()
  }

  async #put(folder: Folder): Promise<void> {
    const { world, model } = this
    const version = await world.put(folder, this.#random.pick(CLASSES), this.#random.bytes(100 + this.#random.below(3000)))
    model.versions.push({ version, group: this.#groups++, since: model.height, erasedAt: null })
  }

  async #rotate(folder: Folder): Promise<void> {
    await this.world.rotate(folder, this.#nextIndex)
    this.model.note(this.model.owners, folder, this.#nextIndex++)
  }

  /** To a person, a role or an organisation; by the owner, or by a delegate who may. */
  async #grant(folder: Folder): Promise<void> {
    const { world, model } = this
    const random = this.#random
    const granters = model
      .active(folder)
      .filter(row => row.rights?.includes('grant') && model.stands(row, model.height) && row.end > world.soon)
    const by = this.#isOneOf(2) ? (this.#pick(granters) ?? null) : null
    const person = random.pick(holdersOf('person'))
    const { member, role } = holder(person)
    const to: Grantee = random.pick([{ type: 'person' }, { type: 'person' }, { type: 'role', role }, { type: 'organisation' }] as const)
    const holds = to.type === 'person' ? person : organisationOf(member as number)
    const classes = this.#isOneOf(3) ? [random.pick(CLASSES)] : []
    const purposes: Purpose[] = this.#isOneOf(3) ? [] : ['TREAT']
    const expiry = by === null ? dayAfter(world.now, this.#isOneOf(2) ? 0 : 30) : by.end
    const soon = world.now + 30_000 + random.below(200_000)
    const end = this.#isOneOf(3) && soon < expiry ? soon : this.#isOneOf(2) ? expiry : null
    const consent = await world.grant(folder, to, holds, { classes, purposes, end, expiry }, by?.consent)
    const epochs = [{ height: model.height, epoch: folder.epoch }]
    const rest = { since: model.height, rights: null, by, revokedAt: null, epochs }
    model.consents.push({ consent, classes, purposes, start: 0, end: end ?? expiry, ...rest })
    this.#count(`grant to ${to.type}${by === null ? '' : ' by a delegate'}`)
  }

  async #delegate(folder: Folder): Promise<void> {
    const { world, model } = this
    const random = this.#random
    const rights = random.pick([['read'], ['read', 'grant', 'revoke'], ['grant', 'revoke']] as const)
    const classes = rights.includes('grant' as never) || this.#isOneOf(2) ? [] : [random.pick(CLASSES)]
    const start = dayAfter(world.now, this.#isOneOf(4) ? 0 : -1)
    const expiry = dayAfter(world.now, 1 + random.below(3))
    const consent = await world.delegate(folder, random.pick(holdersOf('delegate')), { rights, start, expiry, classes })
    const epochs = [{ height: model.height, epoch: folder.epoch }]
    const rest = { since: model.height, rights, by: null, revokedAt: null, epochs }
    model.consents.push({ consent, classes, purposes: [], start, end: expiry, ...rest })
    this.#count('delegations')
  }

  /** Ends a consent; a delegate may do it now and then, where it is no other's delegation. */
  async #revoke(row = this.#pick(this.model.consents.filter(({ revokedAt }) => revokedAt === null))): Promise<void> {
    if (row === undefined) return
    const { world, model } = this
    const delegates = model
      .active(row.consent.folder)
      .filter(known => known.rights?.includes('revoke') && known.end > world.soon && model.stands(known, model.height))
    const by = this.#isOneOf(3) && row.rights === null ? this.#pick(delegates) : undefined
    await world.revoke(row.consent, by?.consent)
    row.revokedAt = model.height
  }

  /** Revokes some, takes most others along, and leaves some behind. */
  async #advance(folder: Folder): Promise<void> {
    const { world, model } = this
    const rows = model.active(folder)
    const revoked = rows.filter(() => this.#isOneOf(4))
    const along = rows.filter(row => !revoked.includes(row) && row.end > world.now + 60_000 && !this.#isOneOf(5))
    await world.advance(
      folder,
      revoked.map(({ consent }) => consent),
      along.map(({ consent }) => consent),
    )
    for (const row of revoked) row.revokedAt = model.height
    for (const row of along) row.epochs.push({ height: model.height, epoch: folder.epoch })
  }

  /** A line for whom a consent names, or for whom an organisation says that it does. The ledger takes both. */
  async #openSession(): Promise<void> {
    const { world, model } = this
    // As the ledger has it: a consent may be over by its terms, or with the delegation that it was granted under.
    const rows = model.consents.filter(({ revokedAt, consent }) => revokedAt === null && consent.expiry > world.soon)
    const delegated = rows.filter(({ rights, by }) => rights !== null || by !== null)
    const row = (this.#isOneOf(2) ? this.#pick(delegated) : undefined) ?? this.#pick(rows)
    if (row === undefined) return
    if (row.rights !== null) return await this.#openAsDelegate(row)
    const { to, holder: holds } = row.consent
    const member = holder(holds).member as number
    const ofMember = holdersOf('person').filter(one => holder(one).member === member)
    const reader = to.type === 'person' && !this.#isOneOf(6) ? holds : this.#random.pick(this.#isOneOf(6) ? holdersOf('person') : ofMember)
    const truly = to.type === 'role' ? to.role : holder(reader).role
    const role = this.#isOneOf(to.type === 'role' ? 2 : 5) ? this.#random.pick(ROLES) : truly
    const purpose: Purpose = this.#isOneOf(6) ? 'HMARKT' : 'TREAT'
    const by = this.#isOneOf(8) ? 1 + this.#random.below(3) : member
    const who = { reader: holder(reader).signing.publicKey, role, purpose }
    await this.#opened(row, by, who, { kind: 'consent', row, member: by }, reader)
    await this.#reads.getWrap(row)
  }

  async #openAsDelegate(row: ConsentRow): Promise<void> {
    const { model } = this
    const { rights, consent, end } = row
    // The ledger refuses everybody else.
    if (!rights?.includes('read') || !model.stands(row, model.height) || end <= this.world.soon) return
    const isWrong = this.#isOneOf(5)
    const reader = isWrong ? this.#random.pick(holdersOf('person')) : consent.holder
    const role = this.#isOneOf(6) ? this.#random.pick(ROLES) : 'delegate'
    const publicKey = isWrong ? holder(reader).signing.publicKey : consent.key.publicKey
    await this.#opened(row, consent.key, { reader: publicKey, role, purpose: 'FAMRQT' }, { kind: 'delegate', row }, reader)
    await this.#reads.getWrap(row)
  }

  async #openAsOwner(folder: Folder): Promise<void> {
    const isOwner = !this.#isOneOf(4)
    const reader = isOwner ? null : this.#random.pick(holdersOf('person'))
    const key = this.world.ownerKey(folder)
    const who = {
      reader: reader === null ? key.publicKey : holder(reader).signing.publicKey,
      role: this.#isOneOf(5) ? this.#random.pick(ROLES) : 'owner',
      purpose: 'PATRQT' as const,
    }
    await this.#opened(folder, key, who, { kind: 'owner', ownerIndex: folder.ownerIndex, isOwner }, reader)
  }

  async #opened(
    what: ConsentRow | Folder,
    by: number | SigningKey,
    who: Pick<AccessOpening, 'reader' | 'role' | 'purpose'>,
    under: Under,
    reader: number | null,
  ): Promise<void> {
    const [folder, consent] = 'consent' in what ? [what.consent.folder, what.consent] : [what, null]
    const session = await this.world.openSession(folder, consent, by, who, 30_000 + this.#random.below(600_000))
    this.model.sessions.push({ session, under, reader, since: this.model.height })
    await this.#follow()
  }

  async #breakGlass(folder: Folder): Promise<void> {
    const { world, model } = this
    // Without shares the ledger takes no line.
    if (model.depositAt(folder, model.height) === null) return
    const emergency = holdersOf('person').filter(one => /^(emergency-|paramedic)/.test(holder(one).role))
    const reader = this.#random.pick(this.#isOneOf(6) ? holdersOf('person') : emergency)
    const { member, role, signing }: Holder = holder(reader)
    const isCounted = !this.#isOneOf(8)
    const who = {
      reader: signing.publicKey,
      role: this.#isOneOf(8) ? this.#random.pick(ROLES) : role,
      purpose: this.#isOneOf(8) ? ('TREAT' as const) : this.#random.pick(['BTG', 'ETREAT'] as const),
      counted: isCounted ? signing.publicKey : world.fresh('another name'),
    }
    const lengthMs = this.#isOneOf(2) ? 4 * HOUR - 60_000 : 60_000 + this.#random.below(10 * 60_000)
    const session = await world.breakGlass(folder, member as number, who, lengthMs)
    const row: SessionRow = { session, under: { kind: 'emergency', isCounted }, reader, since: model.height }
    model.sessions.push(row)
    await this.#follow()
    await this.#reads.getShares(row)
  }

  /** Leaves a key for emergencies, or takes it back. */
  async #deposit(folder: Folder): Promise<void> {
    const { world, model } = this
    if (model.depositAt(folder, model.height) !== null && this.#isOneOf(2)) {
      await world.withdraw(folder)
      return model.note(model.deposits, folder, null)
    }
    const deposit = await world.deposit(folder)
    model.note(model.deposits, folder, deposit)
    await this.#follow()
    await world.putShares(deposit)
  }

  /** Erases a version; now and then it is in another folder before. */
  async #erase(): Promise<void> {
    const { world, model } = this
    const row = this.#pick(model.versions.filter(({ erasedAt }) => erasedAt === null))
    if (row === undefined) return
    const into = this.#folders.find(folder => folder !== row.version.folder)
    if (into !== undefined && this.#isOneOf(2)) {
      const version = await world.move(row.version, into)
      model.versions.push({ version, group: row.group, since: model.height, erasedAt: null })
      this.#count('moved')
    }
    await this.#eraseNow(row)
  }

  async #eraseNow(row: VersionRow): Promise<void> {
    await this.world.erase(row.version)
    row.erasedAt = this.model.height
  }

  /** Something that goes wrong, or goes on for long. */
  async #trouble(): Promise<void> {
    const { world } = this
    const custodian = this.#random.pick(world.custodians)
    switch (this.#random.below(9)) {
      case 0:
        this.#count('restarts')
        return await custodian.restart()
      case 1:
        this.#copied.add(custodian.number)
        return await custodian.backUp()
      case 2:
        if (!this.#copied.has(custodian.number)) {
          this.#copied.add(custodian.number)
          return await custodian.backUp()
        }
        this.#count('restored')
        return await custodian.restore()
      case 3:
        this.#count('eclipsed')
        this.#eclipsed.add(custodian.number)
        return
      case 4:
        this.#eclipsed.clear()
        return
      case 5: {
        const isDay = this.#isOneOf(3)
        this.#count(isDay ? 'days' : 'hours')
        world.now += isDay ? DAY : HOUR * (1 + this.#random.below(4))
        return await world.commit()
      }
      default:
        // Nothing is decided for a while, or blocks come without acts.
        world.now += this.#random.below(90_000)
        if (this.#isOneOf(2)) await world.commit()
    }
  }

  /** Custodians that are not cut off apply what there is, or some of it. */
  async #follow(): Promise<void> {
    for (const custodian of this.world.custodians) {
      if (this.#eclipsed.has(custodian.number)) continue
      await custodian.apply(this.#random.below(3) > 0 ? this.model.height : this.#random.below(3))
    }
  }
}
