/** The contract `members`: what the network starts with, and the validators' votes on who belongs to it. */
import { SUITE_XWING } from '../crypto/sealing-suites.ts'
import { isAdmissiblePublicKey } from '../crypto/signature.ts'
import { compareBytes, equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import type { Codec } from '../encoding/schema.ts'
import { receiptsRoot, transactionsRoot } from '../ledger/block.ts'
import { BLOCK_VERSION, type Header, type Validator, type ValidatorSet, validatorSetHash } from '../ledger/header.ts'
import type { StateChange } from '../ledger/state-tree.ts'
import { accountKeyCodec, memberKeyHashes } from './member-keys.ts'
import {
  accountCodec,
  accountId,
  type Custodians,
  chainId,
  counterCodec,
  custodiansCodec,
  type Genesis,
  genesisCodec,
  type Organisation,
  parametersCodec,
  validatorsCodec,
} from './members-formats.ts'
import { stateKey } from './state-keys.ts'
import { sortedValidators, validatorOf } from './validators.ts'

/** Value of the leaves below and above all others: values are never empty. */
const SENTINEL = Uint8Array.of(1)
const ZERO_HASH = new Uint8Array(32)

/** Why an organisation cannot be a member as it is, in words; undefined where it can. */
export function organisationFault(organisation: Organisation): string | undefined {
  const { signingKey, sealingKey, networkKey, consensusKey, power } = organisation
  // Repairs mask what they send with keys that two members have in common, which other suites do not give.
  if (sealingKey[0] !== SUITE_XWING) return 'has a sealing key of another suite than X-Wing'
  if ((consensusKey === null) !== (power === 0)) return 'has a voting weight without a consensus key, or the key without a weight'
  const keys = consensusKey === null ? [signingKey, networkKey] : [signingKey, networkKey, consensusKey]
  return keys.every(isAdmissiblePublicKey) ? undefined : 'has a key that is no Ed25519 public key'
}

/** A member's line among the custodians; undefined for one that stores nothing. */
export function custodianOf(id: Uint8Array, { jurisdiction, capacity }: Organisation): Custodians[number] | undefined {
  return capacity === 0 ? undefined : { id, jurisdiction, capacity }
}

export function sortedCustodians(custodians: Custodians): Custodians {
  return [...custodians].sort((a, b) => compareBytes(a.id, b.id))
}

/** Refuses what no network can start with. @throws EpioneError `genesis-invalid` */
function checkGenesis(genesis: Genesis): void {
  const refuse = (reason: string): never => {
    throw new EpioneError('genesis-invalid', `The network cannot start: ${reason}.`)
  }
  try {
    genesisCodec.encode(genesis)
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error
    refuse(`its genesis document is malformed (${error.message})`)
  }
  const { organisations, parameters } = genesis
  const { n, k, policies, recoveryWaitMs, recoverySecondWaitMs } = parameters
  const f = Math.floor((n - 1) / 3)
  if (k > n - 2 * f || k <= f) {
    refuse(`with n = ${n} fragments and f = ${f} faults, k must be ${f + 1} to ${n - 2 * f}, and it is ${k}`)
  }
  if (recoverySecondWaitMs < recoveryWaitMs) refuse('a recovery that cannot be vetoed would wait for less than one that can')
  if (new Set(policies.map(({ name }) => name)).size !== policies.length) refuse('two residency policies have one name')
  const keys = new Set<string>()
  for (const organisation of organisations) {
    const fault = organisationFault(organisation)
    if (fault !== undefined) refuse(`the organisation "${organisation.name}" ${fault}`)
    for (const hash of memberKeyHashes(organisation)) {
      if (keys.has(toHex(hash))) refuse(`a key of "${organisation.name}" belongs to another organisation, too`)
      keys.add(toHex(hash))
    }
  }
  if (organisations.every(({ power }) => power === 0)) refuse('no organisation validates')
  const custodians = organisations.filter(({ capacity }) => capacity > 0).length
  if (custodians < n) refuse(`it has ${custodians} custodians, and every record needs ${n}`)
}

/** The validators that sign from height 1 on. @throws EpioneError `genesis-invalid` */
export function genesisValidators(genesis: Genesis): ValidatorSet {
  checkGenesis(genesis)
  const validators = genesis.organisations.map(validatorOf).filter((validator): validator is Validator => validator !== undefined)
  return { validators: sortedValidators(validators), since: 1 }
}

/** The state of height 0, ascending by key. @throws EpioneError `genesis-invalid` */
export function genesisChanges(genesis: Genesis): StateChange[] {
  const set = genesisValidators(genesis)
  const changes: StateChange[] = []
  const put = <T>(codec: Codec<T>, key: Uint8Array, value: T): void => {
    changes.push({ key, value: codec.encode(value) })
  }
  changes.push({ key: stateKey.first(), value: SENTINEL }, { key: stateKey.last(), value: SENTINEL })
  put(parametersCodec, stateKey.parameters(), genesis.parameters)
  put(validatorsCodec, stateKey.validators(), { current: set, next: set, decided: set })
  const custodians: Custodians = []
  for (const organisation of genesis.organisations) {
    const id = accountId(organisation.signingKey)
    put(accountCodec, stateKey.account(id), { status: 'active', since: 0, organisation, former: [] })
    for (const hash of memberKeyHashes(organisation)) put(accountKeyCodec, stateKey.accountKey(hash), id)
    const custodian = custodianOf(id, organisation)
    if (custodian !== undefined) custodians.push(custodian)
  }
  put(custodiansCodec, stateKey.custodians(0), sortedCustodians(custodians))
  put(counterCodec, stateKey.custodiansHeight(), 0)
  return changes.sort((a, b) => compareBytes(a.key, b.key))
}

/** The header of height 0, over the root of {@link genesisChanges}. @throws EpioneError `genesis-invalid` */
export function genesisHeader(genesis: Genesis, stateRoot: Uint8Array): Header {
  const validatorsHash = validatorSetHash(genesisValidators(genesis))
  return {
    chainId: chainId(genesis),
    version: BLOCK_VERSION,
    height: 0,
    time: genesis.time,
    parent: ZERO_HASH,
    proposer: ZERO_HASH,
    transactionsRoot: transactionsRoot([]),
    stateRoot,
    receiptsRoot: receiptsRoot([]),
    validatorsHash,
    nextValidatorsHash: validatorsHash,
  }
}

/** Whether two sets of custodians are the same, in their order. */
export function isSameCustodians(a: Custodians, b: Custodians): boolean {
  return a.length === b.length && equalBytes(custodiansCodec.encode(a), custodiansCodec.encode(b))
}
