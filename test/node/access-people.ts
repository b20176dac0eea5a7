/** Who reads in random histories, and who has keys to which grants are sealed. */
import { personFromSeeds } from '../../src/client/identity.ts'
import type { SealingKey } from '../../src/crypto/sealing.ts'
import type { SigningKey } from '../../src/crypto/signature.ts'
import { delegateKey, delegateSealingKey } from '../../src/crypto/wallet.ts'
import { nodeKeys, seedOf, walletOf } from './cluster.ts'

/** Somebody who keeps what they get: a person, an organisation for all its people, or a wallet that acts for others. */
export interface Holder {
  readonly kind: 'person' | 'organisation' | 'delegate'
  /** Number of the member that it belongs to; null for who belongs to none. */
  readonly member: number | null
  readonly role: string
  /** Of a delegate, one key of many: it takes another for each delegation. */
  readonly signing: SigningKey
  readonly sealing: Pick<SealingKey, 'publicKey' | 'open'>
}

const person = (index: number, member: number, role: string): Holder => {
  const seeds = { signingSeed: seedOf('signing', index), sealingSeed: seedOf('sealing', index) }
  return { kind: 'person', member, ...personFromSeeds({ organisation: nodeKeys(member).account, role, ...seeds }) }
}

const organisation = (member: number): Holder => {
  const { signing, sealing } = nodeKeys(member)
  return { kind: 'organisation', member, role: '', signing, sealing }
}

const delegateSeed = (index: number): Uint8Array => walletOf(`delegate ${index}`).seed

const delegate = (index: number): Holder => {
  const seed = delegateSeed(index)
  return { kind: 'delegate', member: null, role: 'delegate', signing: delegateKey(seed, 0), sealing: delegateSealingKey(seed) }
}

export const HOLDERS: readonly Holder[] = [
  person(0, 1, 'physician'),
  person(1, 2, 'physician'),
  person(2, 3, 'nurse'),
  person(3, 1, 'nurse'),
  person(4, 2, 'emergency-physician'),
  person(5, 1, 'paramedic'),
  organisation(1),
  organisation(2),
  organisation(3),
  delegate(0),
  delegate(1),
]

export function holdersOf(kind: Holder['kind']): number[] {
  return HOLDERS.flatMap((holder, index) => (holder.kind === kind ? [index] : []))
}

export function holder(index: number): Holder {
  return HOLDERS[index] as Holder
}

/** The holder that is a member's organisation. */
export function organisationOf(member: number): number {
  return HOLDERS.findIndex(known => known.kind === 'organisation' && known.member === member)
}

/** A delegate's key of this number. */
export function keyOfDelegate(index: number, number: number): SigningKey {
  return delegateKey(delegateSeed(holdersOf('delegate').indexOf(index)), number)
}
