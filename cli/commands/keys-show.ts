/** `epione keys show` */
import { publicKeys } from '../../src/node/public-keys.ts'
import type { Context } from '../context.ts'
import { openHome, openKeys } from '../node-home.ts'
import { table } from '../output.ts'

export async function keysShow(context: Context, options: object): Promise<void> {
  const { config, paths } = await openHome(context, options)
  const shown = publicKeys(await openKeys(context, config, paths))
  context.output.result({ home: paths.root, ...shown }, () =>
    table([
      ['home', paths.root],
      ['account', shown.account],
      ['peer id', shown.peerId],
      ['signing key', shown.signingKey],
      ['network key', shown.networkKey],
      ['consensus key', shown.consensusKey],
      ['sealing key', shown.sealingKey],
    ]),
  )
}
