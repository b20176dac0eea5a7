/** `epione wallet show` */
import { ownerKey, ownerKeyHash, seedToPhrase } from '../../src/crypto/wallet.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import type { Context } from '../context.ts'
import { readPassphrase } from '../passphrase.ts'
import { openWalletFile, walletPath } from '../wallet-file.ts'

export interface WalletShowOptions {
  /** How many owner keys to list. */
  keys: number
  /** Print the owner phrase too. */
  phrase?: boolean
}

export async function walletShow(context: Context, options: WalletShowOptions): Promise<void> {
  const path = walletPath(context)
  const { seed, recoveryKeyHashes } = await openWalletFile(path, await readPassphrase(context, { of: `the wallet ${path}` }))
  const value = {
    file: path,
    ownerKeyHashes: Array.from({ length: options.keys }, (_, index) => toHex(ownerKeyHash(ownerKey(seed, index).publicKey))),
    recoveryKeys: recoveryKeyHashes.length,
    recoveryKeyHashes: recoveryKeyHashes.slice(0, options.keys),
    ...(options.phrase === true ? { ownerPhrase: seedToPhrase(seed) } : {}),
  }
  context.output.result(value, () => [
    `wallet         ${path}`,
    ...value.ownerKeyHashes.map((hash, index) => `owner key ${String(index).padEnd(3)}  ${hash}`),
    recoveryKeyHashes.length > 0
      ? `recovery keys  ${recoveryKeyHashes.length}`
      : 'recovery keys  none: restore the wallet with its recovery phrase to open new folders',
    ...(value.ownerPhrase === undefined ? [] : [`owner phrase   ${value.ownerPhrase}`]),
  ])
}
