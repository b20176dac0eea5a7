/** `epione delegate offer` */
import { resolve } from 'node:path'
import { createDelegateOffer, encodeDelegateOffer } from '../../src/client/delegation.ts'
import { utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import type { Context } from '../context.ts'
import { count, printable } from '../format.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'
import { qrLines } from '../qr.ts'
import { withWallet } from '../wallet-session.ts'
import { writeWalletState } from '../wallet-state.ts'

export interface DelegateOfferOptions {
  name: string
  keys: number
  out?: string
  qr?: boolean
}

/** What `--json` prints. */
export interface DelegateOfferResult {
  offer: string
  file: string | null
  keys: number
}

export async function delegateOffer(context: Context, options: DelegateOfferOptions): Promise<void> {
  const name = printable(options.name)
  if (utf8(name).length > 128) throw new EpioneError('invalid-argument', 'a name has at most 128 bytes')
  const file = options.out === undefined ? null : resolve(options.out)
  if (file !== null) await assertWritable(file)
  await withWallet(context, async ({ peer, wallet, path, state }) => {
    const firstIndex = state.nextDelegateKey ?? 0
    const offer = encodeDelegateOffer(createDelegateOffer(wallet, { chainId: peer.chainId, name, firstIndex, keys: options.keys }))
    const code = options.qr === true ? await qrLines(offer) : []
    // On the disk before anybody sees the keys: no key is handed to two people.
    await writeWalletState(path, { ...state, nextDelegateKey: firstIndex + options.keys })
    if (file !== null) await writePrivateFile(file, [utf8(`${offer}\n`)])
    const value: DelegateOfferResult = { offer, file, keys: options.keys }
    context.output.result(value, () => (file === null ? [...code, offer] : [file]))
    context.output.note(`keys for ${count(options.keys, 'folder')} of one person; they delegate with: epione delegate grant`)
  })
}
