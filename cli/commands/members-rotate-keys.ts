/** `epione members rotate-keys` */
import { rotateMemberKeys } from '../../src/client/member-keys.ts'
import { chainId as genesisId } from '../../src/contracts/members-formats.ts'
import { openKeystore } from '../../src/crypto/keystore.ts'
import { nodeKeysFrom, prepareNextKeys, ROTATED, type Rotated, takeNextKeys } from '../../src/node/keys.ts'
import { publicKeys } from '../../src/node/public-keys.ts'
import type { Context } from '../context.ts'
import { connect } from '../network.ts'
import { openGenesis, openHome } from '../node-home.ts'
import { readPassphrase } from '../passphrase.ts'

export interface MembersRotateKeysOptions {
  /** Which keys; all three, if left out. */
  key?: readonly Rotated[]
}

export async function membersRotateKeys(context: Context, options: MembersRotateKeysOptions): Promise<void> {
  const { signal, output } = context
  const { config, paths } = await openHome(context, options)
  const genesis = await openGenesis(paths)
  const passphrase = await readPassphrase(context, { of: `the keys of the node ${paths.root}`, configured: config.passphraseFile })
  const { account, signing } = nodeKeysFrom(await openKeystore(paths.keystore, passphrase))
  await using peer = await connect(context, genesisId(genesis))
  // In the keystore before they are on the ledger: what was brought there can always be taken into use.
  const next = await prepareNextKeys(paths.keystore, passphrase, options.key ?? ROTATED)
  const committed = await rotateMemberKeys(peer, { account, key: signing }, next, { signal })
  const shown = publicKeys(await takeNextKeys(paths.keystore, passphrase))
  const rotated = ROTATED.filter(name => next[name] !== undefined)
  output.result({ status: 'committed', height: committed?.height ?? null, rotated, ...shown }, () => [
    committed === null
      ? 'the ledger had the new keys already; they are in use from the next start on'
      : `new keys (${rotated.join(', ')}) from height ${committed.height} on`,
    `  account      ${shown.account}`,
    `  peer id      ${shown.peerId}`,
    `  signing key  ${shown.signingKey}`,
  ])
  output.note('start the node anew now: until then it signs and answers with the keys of before, which others no longer take')
  if (next.network !== undefined) output.note('its addresses end in the new peer id; who has the old one in a setting should change that')
}
