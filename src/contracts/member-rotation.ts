/** The action `members.rotate`: a member takes new keys by itself. Its account, seat, custody and quota stay as they are. */
import { verifySignature } from '../crypto/signature.ts'
import { equalBytes } from '../encoding/bytes.ts'
import { type Action, type ActionContext, defineAction } from './action.ts'
import { ContractError } from './contract-error.ts'
import { membersRotatedCodec } from './events.ts'
import { accountKeyCodec, networkKeyHash, signingKeyHash } from './member-keys.ts'
import { organisationFault } from './members.ts'
import {
  type Account,
  accountCodec,
  MAX_FORMER_KEYS,
  newKeysBytes,
  type Organisation,
  type RotateMember,
  rotateMemberCodec,
} from './members-formats.ts'
import { stateKey } from './state-keys.ts'

/** An account's former signing keys once another is in use. @throws ContractError `too-many-keys` */
export function formerKeys({ organisation, former }: Account, signingKey: Uint8Array, height: number): Account['former'] {
  if (equalBytes(organisation.signingKey, signingKey)) return former
  if (former.length === MAX_FORMER_KEYS) {
    throw new ContractError('too-many-keys', `An account has at most ${MAX_FORMER_KEYS} signing keys before its present one.`)
  }
  return [...former, { signingKey: organisation.signingKey, until: height }]
}

function rotate(context: ActionContext, { keys, signingProof, networkProof }: RotateMember): void {
  const { state, from, height } = context
  const account = state.read(accountCodec, stateKey.account(from.id)) as Account
  const before = account.organisation
  const organisation: Organisation = {
    ...before,
    signingKey: keys.signingKey ?? before.signingKey,
    sealingKey: keys.sealingKey ?? before.sealingKey,
    networkKey: keys.networkKey ?? before.networkKey,
  }
  const newSigning = !equalBytes(organisation.signingKey, before.signingKey)
  const newNetwork = !equalBytes(organisation.networkKey, before.networkKey)
  if (!newSigning && !newNetwork && equalBytes(organisation.sealingKey, before.sealingKey)) return
  const fault = organisationFault(organisation)
  if (fault !== undefined) throw new ContractError('bad-organisation', `The organisation ${fault}.`)
  const hashes = [
    ...(newSigning ? [signingKeyHash(organisation.signingKey)] : []),
    ...(newNetwork ? [networkKeyHash(organisation.networkKey)] : []),
  ]
  // Not one of its own of before either: it was put out of use.
  if (hashes.some(hash => state.read(accountKeyCodec, stateKey.accountKey(hash)) !== undefined)) {
    throw new ContractError('key-taken', 'A new key belongs, or once belonged, to a member.')
  }
  const message = newKeysBytes(context.chainId, from.id, keys)
  const proves = (key: Uint8Array, proof: Uint8Array | null): boolean => proof !== null && verifySignature(key, message, proof)
  if ((newSigning && !proves(organisation.signingKey, signingProof)) || (newNetwork && !proves(organisation.networkKey, networkProof))) {
    throw new ContractError('key-unproven', 'A new key did not sign for itself.')
  }
  const former = formerKeys(account, organisation.signingKey, height)
  state.write(accountCodec, stateKey.account(from.id), { ...account, organisation, former })
  for (const hash of hashes) state.write(accountKeyCodec, stateKey.accountKey(hash), from.id)
  context.emit('members.rotated', from, membersRotatedCodec, { account: from.id })
}

export const rotateAction: Action = defineAction({ authors: ['account'], folderCharge: 'sponsor' }, rotateMemberCodec, rotate)
