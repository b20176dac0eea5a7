/** Delegations by what was done, one transaction after another: who may act for whom, kept apart from the contracts' own records. */
import * as assert from 'uvu/assert'
import { openBodyCodec } from '../../src/contracts/access-formats.ts'
import { consentId, expiryBucket, grantBodyCodec, revokeBodyCodec } from '../../src/contracts/consents-formats.ts'
import { delegationCodec, delegationIdCodec, grantDelegationCodec } from '../../src/contracts/delegations-formats.ts'
import { advanceFolderCodec } from '../../src/contracts/folders-formats.ts'
import { NAMESPACE, stateKey } from '../../src/contracts/state-keys.ts'
import { delegateKeyHash } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { StateTree } from '../../src/ledger/state-tree.ts'
import type { Transaction } from '../../src/ledger/transaction.ts'
import { act, DAY, hashOf, keyOf, sealingKey, type World } from './world.ts'

/** Keys that never own a folder. */
const DELEGATES = ['mother', 'aunt'] as const
const RIGHT_OF = new Map([
  ['access.open', 1],
  ['consents.grant', 2],
  ['consents.revoke', 4],
])

const keyHash = (name: string): Uint8Array => delegateKeyHash(keyOf(name).publicKey)

type Random = (below: number) => number

/** Lets somebody act for an owner. Some of what comes out breaks a rule. */
export function randomDelegation(
  world: World,
  random: Random,
  owner: string,
  options: { epoch: number; sponsor: string; signer: string },
): Transaction {
  const { epoch, ...signed } = options
  const today = expiryBucket(world.timeMs) - DAY
  const body = {
    commitment: hashOf(`g${random(4)}`),
    wrapHash: hashOf(`g${random(2)} wrap`),
    epoch,
    expiry: expiryBucket(world.timeMs + random(20) * DAY),
    delegateKeyHash: keyHash(DELEGATES[random(DELEGATES.length)] as string),
    rights: 1 + random(7),
    start: today + random(2) * DAY + (random(8) === 0 ? 1 : 0),
    terms: hashOf('terms'),
  }
  return world.byFolder(owner, act('delegations.grant', grantDelegationCodec, body), signed)
}

/** What somebody does, or tries to do, who acts for an owner: mostly for one of whom they have a delegation. */
export function randomDelegateAct(
  world: World,
  random: Random,
  owners: readonly string[],
  options: { epochOf: (owner: string) => number; sponsor: string },
): Transaction {
  const { epochOf, sponsor } = options
  const pairs = owners.flatMap(owner => DELEGATES.map(signer => ({ owner, signer })))
  const idOf = ({ owner, signer }: (typeof pairs)[number]): Uint8Array | undefined =>
    world.read(delegationIdCodec, stateKey.delegate(world.folder(owner), keyHash(signer)))
  const delegated = pairs.filter(pair => idOf(pair) !== undefined)
  const from = random(6) === 0 || delegated.length === 0 ? pairs : delegated
  const pair = from[random(from.length)] as (typeof pairs)[number]
  const { owner, signer } = pair
  const known = idOf(pair)
  const epoch = epochOf(owner)
  const signed = random(6) === 0 ? { signer } : { signer, sponsor }
  const any = world.consent(owner, `${['c', 'g', 'h'][random(3)]}${random(3)}`)
  switch (random(5)) {
    case 0:
    case 1: {
      const expiry = expiryBucket(world.timeMs + random(3) * DAY)
      return world.byFolder(owner, world.grantBody(`h${random(6)}`, { epoch, expiry }), signed)
    }
    case 2:
      return world.byFolder(owner, act('consents.revoke', revokeBodyCodec, { consent: any }), signed)
    case 3:
      return world.byFolder(owner, world.openBody(owner, random(2) === 0 ? any : (known ?? any)), signed)
    default: {
      const body = { epoch, sealingKey: sealingKey('delegate'), previousKeyHash: hashOf('past'), revoke: [], rewraps: [] }
      if (random(2) === 0) return world.byFolder(owner, act('folders.advance', advanceFolderCodec, body), signed)
      return randomDelegation(world, random, owner, { epoch, sponsor, signer })
    }
  }
}

interface Consent {
  readonly expiry: number
  /** The delegation under which it was granted. */
  readonly by: string | null
  isActive: boolean
}

interface Delegation {
  readonly id: string
  readonly folder: string
  readonly key: string
  readonly rights: number
  readonly start: number
}

const nameOf = (folder: Uint8Array, consent: Uint8Array): string => `${toHex(folder)} ${toHex(consent)}`

export class DelegationModel {
  readonly #consents = new Map<string, Consent>()
  readonly #delegations: Delegation[] = []
  /** Acts of delegates that had their effect, by action. */
  readonly acts = new Map<string, number>()

  #inForce(folder: string, key: string, timeMs: number): Delegation[] {
    return this.#delegations.filter(known => {
      const consent = this.#consents.get(known.id) as Consent
      const isTheirs = known.folder === folder && known.key === key
      return isTheirs && consent.isActive && known.start <= timeMs && timeMs < consent.expiry
    })
  }

  /** Takes what became of a transaction, and holds it against what delegates may do. */
  apply({ content, signatures }: Transaction, code: string, timeMs: number, where: string): void {
    const { from, sponsor, contract, action, body } = content
    if (from.kind !== 'folder') return
    const name = `${contract}.${action}`
    const signer = signatures[0]?.publicKey as Uint8Array
    const isDelegate = DELEGATES.some(one => toHex(keyOf(one).publicKey) === toHex(signer))
    const folder = toHex(from.id)
    const standing = this.#inForce(folder, toHex(delegateKeyHash(signer)), timeMs)
    assert.ok(standing.length <= 1, `${where}: a key has one delegation of a folder at a time`)
    const [by] = standing
    const mayAct = by !== undefined && sponsor !== null && (by.rights & (RIGHT_OF.get(name) ?? 0)) !== 0
    if (isDelegate && code === 'unknown-owner') assert.not.ok(mayAct, `${where}: ${name} of a delegate is refused without a reason`)
    if (code !== 'ok') return
    if (isDelegate) {
      assert.ok(mayAct, `${where}: ${name} of a delegate who may not`)
      this.acts.set(name, (this.acts.get(name) ?? 0) + 1)
    }
    this.#change(name, from.id, body, isDelegate ? (by as Delegation) : null, where)
  }

  #change(name: string, folder: Uint8Array, body: Uint8Array, by: Delegation | null, where: string): void {
    switch (name) {
      case 'delegations.grant': {
        const { commitment, delegateKeyHash: key, rights, start, expiry } = grantDelegationCodec.decode(body)
        const id = nameOf(folder, consentId(folder, commitment))
        if (this.#consents.has(id)) return
        this.#consents.set(id, { expiry, by: null, isActive: true })
        this.#delegations.push({ id, folder: toHex(folder), key: toHex(key), rights, start })
        return
      }
      case 'consents.grant': {
        const { commitment, expiry } = grantBodyCodec.decode(body)
        const id = nameOf(folder, consentId(folder, commitment))
        if (this.#consents.has(id)) return
        if (by !== null) assert.ok(expiry <= (this.#consents.get(by.id) as Consent).expiry, `${where}: it outlives the delegation`)
        this.#consents.set(id, { expiry, by: by?.id ?? null, isActive: true })
        return
      }
      case 'consents.revoke':
        this.#end(folder, revokeBodyCodec.decode(body).consent, by, where)
        return
      case 'folders.advance':
        for (const consent of advanceFolderCodec.decode(body).revoke) this.#end(folder, consent, by, where)
        return
      case 'access.open': {
        const { consent } = openBodyCodec.decode(body)
        assert.is(by === null ? null : nameOf(folder, consent as Uint8Array), by?.id ?? null, `${where}: read under its own delegation`)
        return
      }
      default:
    }
  }

  #end(folder: Uint8Array, consent: Uint8Array, by: Delegation | null, where: string): void {
    const id = nameOf(folder, consent)
    const isOthers = by !== null && by.id !== id && this.#delegations.some(known => known.id === id)
    assert.not.ok(isOthers, `${where}: a delegate ends another's delegation`)
    const known = this.#consents.get(id)
    if (known !== undefined) known.isActive = false
  }

  /** Whether the state says the same: each delegation beside its consent, and each grant of a delegate with who made it. */
  check(state: StateTree, where: string): void {
    const found = [...state.entries(Uint8Array.of(NAMESPACE.delegation))].map(([key, value]) => {
      const { delegateKeyHash: holder, rights, start } = delegationCodec.decode(value)
      assert.ok(state.get(stateKey.consent(key.slice(1, 33), key.slice(33))) !== undefined, `${where}: a delegation is a consent`)
      return { id: nameOf(key.slice(1, 33), key.slice(33)), folder: toHex(key.slice(1, 33)), key: toHex(holder), rights, start }
    })
    const byId = (a: Delegation, b: Delegation): number => (a.id < b.id ? -1 : 1)
    assert.equal(found.sort(byId), [...this.#delegations].sort(byId), where)
    const made = [...state.entries(Uint8Array.of(NAMESPACE.grantedBy))].map(([key, value]) => [
      nameOf(key.slice(1, 33), key.slice(33)),
      nameOf(key.slice(1, 33), delegationIdCodec.decode(value)),
    ])
    const expected = [...this.#consents].flatMap(([id, { by }]) => (by === null ? [] : [[id, by]]))
    assert.equal(made.sort(), expected.sort(), where)
  }
}
