/** Random histories: whatever is thrown at the contracts, they stay deterministic and keep their invariants. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AccessEntry, accessEntryCodec, accessEntryId, nextLogHead } from '../../src/contracts/access-formats.ts'
import { auditReportCodec, auditWindow } from '../../src/contracts/audits-formats.ts'
import { expiryBucket, revokeBodyCodec, rewrapBodyCodec } from '../../src/contracts/consents-formats.ts'
import { answerDisputeCodec, disputeId, openDisputeCodec } from '../../src/contracts/disputes-formats.ts'
import {
  clinicianCodec,
  depositBodyCodec,
  emergencyCodec,
  emergencyOpenBodyCodec,
  reviewBodyCodec,
  withdrawBodyCodec,
} from '../../src/contracts/emergency-formats.ts'
import { relabelFolderCodec } from '../../src/contracts/folder-labels.ts'
import { advanceFolderCodec, folderCodec, ownerCodec, rotateFolderCodec } from '../../src/contracts/folders-formats.ts'
import { genesisChanges } from '../../src/contracts/members.ts'
import {
  counterCodec,
  custodiansCodec,
  logHeadCodec,
  type Organisation,
  type Validators,
  validatorsCodec,
} from '../../src/contracts/members-formats.ts'
import { anchorBodyCodec, eraseBodyCodec } from '../../src/contracts/records-formats.ts'
import { recoveryCodec, settleRecoveryCodec, startRecoveryCodec } from '../../src/contracts/recovery-formats.ts'
import { type BlockResult, executeBlock } from '../../src/contracts/runtime.ts'
import { NAMESPACE, stateKey } from '../../src/contracts/state-keys.ts'
import { recoveryKeyHash } from '../../src/crypto/wallet.ts'
import { compareBytes, equalBytes, toHex } from '../../src/encoding/bytes.ts'
import { receiptCodec } from '../../src/ledger/receipt.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import { decodeTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import { DelegationModel, randomDelegateAct, randomDelegation } from './delegation-model.ts'
import {
  account,
  act,
  DAY,
  genesisOf,
  HOUR,
  hashOf,
  isQuota,
  keyOf,
  organisation,
  ownerHash,
  plainOrganisation,
  sealingKey,
  World,
} from './world.ts'

const test = suite('contracts under random histories')

/** mulberry32: a small generator whose sequence follows from its seed. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) % below
  }
}

const MEMBERS = ['nairobi', 'berlin', 'recife', 'pune', 'payer', 'lima', 'quito', 'stranger'] as const
const OWNERS = ['amina', 'bela', 'cora', 'dara'] as const
const SUCCESSORS = ['ela', 'fara', 'gita'] as const

const recoveryHash = (owner: string): Uint8Array => recoveryKeyHash(keyOf(`${owner} recovery`).publicKey)

/** The owner key that a folder's pending recovery names. */
function pending(world: World, owner: string): Uint8Array | undefined {
  return world.read(recoveryCodec, stateKey.recovery(world.folder(owner)))?.pending?.ownerKeyHash
}

interface RecordedBlock {
  readonly height: number
  readonly timeMs: number
  /** Bytes as they travel, and whether their signatures were right. */
  readonly transactions: readonly { bytes: Uint8Array; signaturesValid: boolean }[]
  readonly seenBefore: ReadonlySet<string>
  readonly result: BlockResult
  readonly root: Uint8Array
}

function randomTransaction(world: World, random: (below: number) => number): Transaction {
  const pick = <T>(items: readonly T[]): T => items[random(items.length)] as T
  const name = (prefix: string, count: number) => `${prefix}${random(count)}`
  const member = pick(random(4) === 0 ? MEMBERS : MEMBERS.slice(0, 4))
  const owner = pick(OWNERS)
  const folder = world.read(folderCodec, stateKey.folder(world.folder(owner)))
  // Mostly who holds the folder now and its present epoch, so that much succeeds; else anything.
  const holder =
    [...OWNERS, ...SUCCESSORS].find(candidate => folder !== undefined && equalBytes(ownerHash(candidate), folder.ownerKeyHash)) ?? owner
  const signed = { signer: random(5) === 0 ? pick(OWNERS) : holder }
  const sponsored = { sponsor: pick(random(4) === 0 ? MEMBERS : MEMBERS.slice(0, 4)), ...signed }
  const epoch = random(4) === 0 ? random(3) : (folder?.epoch ?? 0)
  const latest = world.read(counterCodec, stateKey.custodiansHeight()) ?? 0
  switch (random(27)) {
    case 13: {
      const commitment = hashOf(name('d', 3))
      return world.byFolder(owner, act('disputes.open', openDisputeCodec, { commitment }), signed)
    }
    case 14: {
      const id = world.folder(owner)
      const { submissionRoot } = anchorBodyCodec.decode(world.anchorBody(owner, name('s', 5), { epoch, memberHeight: latest }).body)
      const answer =
        random(2) === 0
          ? { type: 'accepted' as const, value: { submissionRoot } }
          : { type: 'refused' as const, value: { reasonHash: hashOf(name('w', 2)) } }
      const body = { folder: id, dispute: disputeId(id, hashOf(name('d', 3))), answer }
      return world.byMember(member, act('disputes.answer', answerDisputeCodec, body))
    }
    case 0:
      return world.create(member, owner, random(6) === 0 ? { policy: random(3) } : {})
    case 1: {
      if (random(3) === 0) {
        return world.byFolder(owner, act('folders.relabel', relabelFolderCodec, { labelCommitment: hashOf(name('l', 3)) }), signed)
      }
      const body = { ownerKeyHash: ownerHash(pick(OWNERS)), recoveryKeyHash: hashOf(name('r', 2)) }
      return world.byFolder(owner, act('folders.rotate', rotateFolderCodec, body), signed)
    }
    case 2: {
      const revoke = random(3) === 0 ? [world.consent(owner, name('c', 3))] : []
      const rewraps = random(2) === 0 ? [{ consent: world.consent(owner, name('c', 3)), wrapHash: hashOf(name('w', 3)) }] : []
      const body = { epoch, sealingKey: sealingKey(name('k', 3)), previousKeyHash: hashOf(name('p', 2)), revoke, rewraps }
      return world.byFolder(owner, act('folders.advance', advanceFolderCodec, body), signed)
    }
    case 3:
    case 4: {
      const body = world.anchorBody(owner, name('s', 5), { epoch, memberHeight: random(5) === 0 ? 0 : latest })
      return random(2) === 0 ? world.byMember(member, body) : world.byFolder(owner, body, sponsored)
    }
    case 5:
      return world.byFolder(owner, act('records.erase', eraseBodyCodec, { marks: [hashOf(name('m', 9)), hashOf(name('m', 9))] }), signed)
    case 6: {
      const expiry = expiryBucket(world.timeMs + random(3) * DAY)
      return world.byFolder(owner, world.grantBody(name('c', 3), { epoch, expiry }), sponsored)
    }
    case 7:
      return world.byFolder(owner, act('consents.revoke', revokeBodyCodec, { consent: world.consent(owner, name('c', 3)) }), signed)
    case 8:
    case 9: {
      const consent = random(4) === 0 ? null : world.consent(owner, name('c', 3))
      const body = world.openBody(owner, consent, { until: world.timeMs + random(HOUR + 600_000) })
      return consent === null ? world.byFolder(owner, body, sponsored) : world.byMember(member, body)
    }
    case 10: {
      const newcomer: Organisation = random(2) === 0 ? organisation(pick(['lima', 'quito'])) : plainOrganisation('lab')
      const proposals = [
        { type: 'admit', value: newcomer },
        { type: 'remove', value: { account: account(pick(['lima', 'quito', 'pune'])) } },
        { type: 'amend', value: { account: account('recife'), organisation: organisation('recife', { power: 5 + random(3) }) } },
      ] as const
      return world.vote(member, { series: random(2), proposal: pick(proposals) })
    }
    case 11: {
      const window = auditWindow(world.timeMs + random(2) * HOUR, world.genesis.parameters.auditWindowMs)
      const verdict = pick(['answers', 'silent'] as const)
      const entries = [{ custodian: account(pick(['recife', 'lima', 'lab'])), asked: 2, missed: random(4), verdict }]
      return world.byMember(member, act('audits.report', auditReportCodec, { window, entries }))
    }
    case 12: {
      const rewraps = [{ consent: world.consent(owner, name('c', 3)), wrapHash: hashOf(name('w', 3)) }]
      return world.byFolder(owner, act('consents.rewrap', rewrapBodyCodec, { epoch, rewraps }), signed)
    }
    case 15: {
      if (random(6) === 0) return world.byFolder(owner, act('emergency.withdraw', withdrawBodyCodec, {}), signed)
      const body = { epoch, memberHeight: random(5) === 0 ? 0 : latest, commitments: hashOf(name('d', 3)) }
      return world.byFolder(owner, act('emergency.deposit', depositBodyCodec, body), signed)
    }
    case 16: {
      const until = world.timeMs + random(4 * HOUR + 600_000)
      const body = { folder: world.folder(owner), commitment: hashOf(name('o', 9)), clinician: hashOf(name('p', 2)), until }
      return world.byMember(member, act('emergency.open', emergencyOpenBodyCodec, body))
    }
    case 17: {
      const all = [...world.state.entries(stateKey.emergencies(world.folder(owner)))].map(([key]) => key.slice(33))
      const entry = all[random(Math.max(1, all.length))] ?? hashOf('none')
      const body = {
        folder: world.folder(owner),
        entry,
        reviewer: hashOf(name('p', 2)),
        commitment: hashOf('outcome'),
        sealedHash: hashOf('sealed'),
      }
      return world.byMember(member, act('emergency.review', reviewBodyCodec, body))
    }
    case 18:
    case 19: {
      const body = { ownerKeyHash: ownerHash(pick(SUCCESSORS)), recoveryKeyHash: recoveryHash(pick(OWNERS)) }
      return world.byFolder(owner, act('recovery.start', startRecoveryCodec, body), { signer: `${owner} recovery` })
    }
    case 20: {
      const body = { ownerKeyHash: pending(world, owner) ?? ownerHash(pick(SUCCESSORS)) }
      const action = pick(['veto', 'cancel', 'finish', 'finish'])
      const signer = action === 'veto' ? holder : `${owner} recovery`
      return world.byFolder(owner, act(`recovery.${action}`, settleRecoveryCodec, body), { signer })
    }
    case 21:
      return randomDelegation(world, random, owner, { epoch, ...sponsored })
    case 22:
    case 23:
    case 24:
    case 25: {
      const epochOf = (one: string): number => world.read(folderCodec, stateKey.folder(world.folder(one)))?.epoch ?? 0
      return randomDelegateAct(world, random, OWNERS, { epochOf, sponsor: sponsored.sponsor })
    }
    default:
      return world.byMember(member, {
        contract: pick(['records', 'folders', 'none']),
        action: pick(['anchor', 'none']),
        body: new Uint8Array(random(3)),
      })
  }
}

interface History {
  readonly world: World
  readonly recorded: readonly RecordedBlock[]
}

const histories = new Map<number, History>()

/** A hundred blocks that follow from a seed. */
function history(seed: number): History {
  let made = histories.get(seed)
  if (made === undefined) {
    made = makeHistory(seed, 100)
    histories.set(seed, made)
  }
  return made
}

function makeHistory(seed: number, blocks: number): History {
  const random = generator(seed)
  const waits = { recoveryWaitMs: 60_000, recoverySecondWaitMs: 10 * 60_000 }
  const world = new World(genesisOf({}, { sponsorQuota: 12, folderQuota: 3, ...waits }))
  const recorded: RecordedBlock[] = []
  const sent: Transaction[] = []
  for (let i = 0; i < blocks; i++) {
    const transactions: Transaction[] = []
    // Now and then the chain rests, for minutes or for days.
    const timeMs = world.timeMs + 1 + random(20_000)
    const rests = random(8) === 0
    // All voters together now and then, so that proposals pass.
    const together = random(3) === 0
    const body = { series: 100 + random(4), proposal: { type: 'admit' as const, value: organisation(random(2) === 0 ? 'lima' : 'quito') } }
    if (together && !rests) for (const voter of MEMBERS) transactions.push(world.vote(voter, body))
    for (let j = rests ? 0 : random(14); j > 0; j--) {
      const replay = sent.length > 0 && random(8) === 0
      transactions.push(replay ? (sent.at(-1 - random(Math.min(sent.length, 15))) as Transaction) : randomTransaction(world, random))
    }
    sent.push(...transactions)
    const signaturesValid = random(15) !== 0
    const seenBefore = new Set(world.seen)
    const result = world.block(transactions, { timeMs: rests ? timeMs + random(2 * DAY) : timeMs, signaturesValid })
    const bytes = transactions.map(transaction => ({ bytes: transaction.bytes, signaturesValid }))
    recorded.push({ height: world.height, timeMs: world.timeMs, transactions: bytes, seenBefore, result, root: world.state.root })
  }
  return { world, recorded }
}

const SEEDS = [1, 2, 3, 20250101]
/** For what takes several acts that fit together. */
const MORE_SEEDS = Array.from({ length: 12 }, (_, i) => 100 + i)

for (const seed of SEEDS) {
  const about = `seed ${seed}`

  test(`replay, ${about}`, () => {
    const { world, recorded } = history(seed)
    let state = StateTree.empty().apply(genesisChanges(world.genesis))
    for (const { height, timeMs, transactions, seenBefore, result, root } of recorded) {
      const again = executeBlock({
        // A reader that hands out copies: nothing depends on the identity of bytes.
        state: { get: key => state.get(key)?.slice() },
        chainId: world.chainId,
        height,
        time: timeMs,
        transactions: transactions.map(({ bytes, signaturesValid }) => ({ transaction: decodeTransaction(bytes), signaturesValid })),
        seen: id => seenBefore.has(toHex(id)),
      })
      assert.equal(again, result, `${about}, height ${height}`)
      state = state.apply(again.changes)
      assert.equal(state.root, root, `${about}, height ${height}`)
    }
  })

  test(`invariants, ${about}`, () => {
    const { world, recorded } = history(seed)
    const events = new Map<string, number>()
    const logs = new Map<string, { count: number; head: Uint8Array }>()
    const codes = new Set<string>()
    const executed = new Set<string>()
    const emergencies = new Map<string, AccessEntry>()
    let before: Validators | undefined
    for (const { height, timeMs, transactions, result, root } of recorded) {
      const where = `${about}, height ${height}`
      assert.is(result.receipts.length, transactions.length, where)
      for (const receipt of result.receipts) {
        codes.add(receipt.code)
        receiptCodec.encode(receipt)
        const id = toHex(receipt.transaction)
        if (receipt.code !== 'ok') assert.is(receipt.events.length, 0, where)
        else assert.not.ok(executed.has(id), `${where}: a transaction has its effect once`)
        if (receipt.code === 'ok') executed.add(id)
        for (const { name, subject, index } of receipt.events) {
          if (/^(members|audits|repairs)\./.test(name)) {
            assert.is(index, 0, where)
            continue
          }
          const count = (events.get(toHex(subject)) ?? 0) + 1
          assert.is(index, count, `${where}: events have no gap`)
          events.set(toHex(subject), count)
        }
      }
      for (const { stream, index, id, body } of result.logItems) {
        const log = logs.get(toHex(stream)) ?? { count: 0, head: new Uint8Array(32) }
        const entry = accessEntryCodec.decode(body)
        assert.equal([index, entry.index, entry.height, entry.time], [log.count, log.count, height, timeMs], where)
        const isEmergency = entry.organisation !== null && entry.consent === null
        assert.ok(entry.until > timeMs && entry.until <= timeMs + (isEmergency ? 4 : 1) * HOUR, where)
        if (isEmergency) emergencies.set(toHex(id), entry)
        assert.equal(accessEntryId(entry), id, where)
        logs.set(toHex(stream), { count: log.count + 1, head: nextLogHead(log.head, id) })
      }
      for (let i = 1; i < result.changes.length; i++) {
        assert.is(compareBytes(result.changes[i - 1]!.key, result.changes[i]!.key), -1, where)
      }
      const { validators } = result
      if (before !== undefined) assert.equal([validators.current, validators.next], [before.next, before.decided], where)
      if (
        before !== undefined &&
        !equalBytes(validatorsCodec.encode({ ...before, current: before.next, next: before.decided }), validatorsCodec.encode(validators))
      ) {
        assert.is(validators.decided.since, height + 2, where)
      }
      before = validators
      assert.is(root.length, 32)
    }

    let folders = 0
    let kept = 0
    for (const [key, value] of world.state.entries(Uint8Array.of(NAMESPACE.folder))) {
      const id = key.slice(1)
      folders++
      assert.equal(world.read(ownerCodec, stateKey.owner(folderCodec.decode(value).ownerKeyHash)), id, about)
      assert.is(world.read(counterCodec, stateKey.folderEvents(id)), events.get(toHex(id)), about)
      const head = world.read(logHeadCodec, stateKey.accessLog(id))
      assert.equal(head, logs.get(toHex(stateKey.accessLog(id))), about)
      const successor = world.read(recoveryCodec, stateKey.recovery(id))?.pending?.ownerKeyHash
      if (successor === undefined) continue
      kept++
      assert.equal(world.read(ownerCodec, stateKey.owner(successor)), id, about)
    }
    assert.is([...world.state.entries(Uint8Array.of(NAMESPACE.owner))].length, folders + kept, `${about}: owner keys and folders pair up`)
    const height = world.read(counterCodec, stateKey.custodiansHeight())!
    const custodians = world.read(custodiansCodec, stateKey.custodians(height))!
    assert.ok(custodians.length >= 4, about)
    let [waiting, closed] = [0, 0]
    for (const [key, value] of world.state.entries(Uint8Array.of(NAMESPACE.emergency))) {
      const { organisation, clinician, review } = emergencyCodec.decode(value)
      const entry = emergencies.get(toHex(key.slice(33)))
      assert.equal([entry?.folder, entry?.organisation], [key.slice(1, 33), organisation], `${about}: each has its line in the log`)
      assert.not.equal(review?.reviewer, clinician, about)
      if (review === null) waiting++
      else closed++
    }
    assert.is(waiting + closed, emergencies.size, `${about}: no line without its review`)
    const records = [...world.state.entries(Uint8Array.of(NAMESPACE.clinician))].map(([, value]) => clinicianCodec.decode(value))
    const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0)
    assert.equal([sum(records.map(({ open }) => open.length)), sum(records.map(({ reviewed }) => reviewed))], [waiting, closed], about)
    assert.ok(
      folders > 0 && logs.size > 0 && codes.has('ok') && codes.has('not-found') && codes.has('seen'),
      `${about}: the history is a rich one`,
    )
  })
}

test('delegates do what they may, as long as they may, and nothing else', () => {
  const acts = new Map<string, number>()
  for (const seed of [...SEEDS, ...MORE_SEEDS]) {
    const { world, recorded } = history(seed)
    const model = new DelegationModel()
    for (const { height, timeMs, transactions, result } of recorded) {
      for (const [i, { bytes }] of transactions.entries()) {
        model.apply(decodeTransaction(bytes), result.receipts[i]?.code as string, timeMs, `seed ${seed}, height ${height}, act ${i}`)
      }
    }
    model.check(world.state, `seed ${seed}`)
    for (const [name, count] of model.acts) acts.set(name, (acts.get(name) ?? 0) + count)
  }
  for (const name of ['access.open', 'consents.grant', 'consents.revoke'])
    assert.ok((acts.get(name) ?? 0) >= 5, `${name}: ${acts.get(name)}`)
})

test('recoveries come to every end in some history', () => {
  const names = [...SEEDS, ...MORE_SEEDS].flatMap(seed =>
    history(seed).recorded.flatMap(({ result }) => result.receipts.flatMap(({ events }) => events.map(({ name }) => name))),
  )
  for (const name of ['started', 'vetoed', 'cancelled', 'finished', 'announced']) assert.ok(names.includes(`recovery.${name}`), name)
})

test('the state does not depend on what failed, but for quotas', () => {
  for (const seed of SEEDS) {
    const { world, recorded } = history(seed)
    let state = StateTree.empty().apply(genesisChanges(world.genesis))
    for (const { height, timeMs, transactions, result, root } of recorded) {
      const good = transactions.filter((_, i) => result.receipts[i]?.code === 'ok')
      const again = executeBlock({
        state,
        chainId: world.chainId,
        height,
        time: timeMs,
        transactions: good.map(({ bytes }) => ({ transaction: decodeTransaction(bytes), signaturesValid: true })),
        seen: () => false,
      })
      assert.ok(
        again.receipts.every(({ code }) => code === 'ok'),
        `seed ${seed}, height ${height}`,
      )
      state = state.apply([...again.changes.filter(change => !isQuota(change)), ...result.changes.filter(isQuota)])
      assert.equal(state.root, root, `seed ${seed}, height ${height}`)
    }
  }
})

test.run()
