/** `epione wallet pair request`, `answer` and `finish`: another device for the same wallet. */
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { answerPairing, checkNumber, openPairing, pairingRequest } from '../../src/client/pairing.ts'
import { randomBytes } from '../../src/crypto/random.ts'
import { ownerKey, ownerKeyHash } from '../../src/crypto/wallet.ts'
import { parseHex, toHex, utf8 } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { readBoundedFile } from '../../src/node/config-file.ts'
import { readCode } from '../codes.ts'
import { assertConfirmable, confirmed } from '../confirm.ts'
import type { Context } from '../context.ts'
import { assertNoKeystore } from '../files.ts'
import { readPassphrase } from '../passphrase.ts'
import { assertWritable, writePrivateFile } from '../private-file.ts'
import { qrLines } from '../qr.ts'
import { createWalletFile, openWalletFile, walletPath } from '../wallet-file.ts'
import { readWalletState, writeWalletState } from '../wallet-state.ts'

export interface PairRequestOptions {
  out?: string
  qr?: boolean
}

export interface PairAnswerOptions {
  out: string
  yes?: boolean
}

export interface PairFinishOptions {
  yes?: boolean
}

/** What a device that waits for its wallet keeps: the key of this once. */
const pairingPath = (wallet: string): string => `${wallet}.pairing`

/** By the new device. */
export async function pairRequest(context: Context, options: PairRequestOptions): Promise<void> {
  const { output } = context
  const path = walletPath(context)
  await assertNoKeystore(path, '--wallet')
  const file = options.out === undefined ? null : resolve(options.out)
  if (file !== null) await assertWritable(file)
  const seed = randomBytes(32)
  const request = pairingRequest(seed, Date.now())
  const code = options.qr === true ? await qrLines(request) : []
  await writePrivateFile(pairingPath(path), [utf8(`${JSON.stringify({ version: 1, seed: toHex(seed), request })}\n`)])
  if (file !== null) await writePrivateFile(file, [utf8(`${request}\n`)])
  const number = await checkNumber(request)
  output.result({ request, file, number }, () => [...code, file ?? request, `number   ${number}`])
  output.note(
    'answer it on the device that has the wallet, within ten minutes: epione wallet pair answer; the number there must be the same',
  )
}

/** By the device that has the wallet. */
export async function pairAnswer(context: Context, options: PairAnswerOptions, given: string): Promise<void> {
  const { output } = context
  assertConfirmable(context, options.yes === true, 'whoever made the request will own the wallet')
  const file = resolve(options.out)
  await assertWritable(file)
  const request = await readCode(context, given, 'epione-pair:')
  const path = walletPath(context)
  const wallet = await openWalletFile(path, await readPassphrase(context, { of: `the wallet ${path}` }))
  const number = await checkNumber(request)
  output.note(`number   ${number}`)
  output.note('Whoever made this request will own the wallet as you do. The number must be the one that the new device shows.')
  await confirmed(context, options.yes === true, 'Is it the same number?', 'nothing was given away')
  const answer = answerPairing(request, { ...wallet, state: await readWalletState(path) }, Date.now())
  await writePrivateFile(file, [utf8(`${answer}\n`)])
  const value = { file, number, answerNumber: await checkNumber(answer) }
  output.result(value, () => [file, `number   ${value.answerNumber}`])
  output.note(
    'bring the file to the new device: epione wallet pair finish; the number there must be the same. Only that device can open it',
  )
}

/** By the new device, with the answer. */
export async function pairFinish(context: Context, options: PairFinishOptions, given: string): Promise<void> {
  const { output } = context
  assertConfirmable(context, options.yes === true, 'the wallet could be another than yours')
  const path = walletPath(context)
  await assertNoKeystore(path, '--wallet')
  const { seed, request } = await readPairing(path)
  const answer = await readCode(context, given, 'epione-wallet:')
  const { state, ...wallet } = openPairing(seed, request, answer)
  const number = await checkNumber(answer)
  output.note(`number   ${number}`)
  await confirmed(context, options.yes === true, 'Does the other device show the same number?', 'no wallet was made')
  const passphrase = await readPassphrase(context, { of: `the wallet ${path}`, create: true })
  await createWalletFile(path, passphrase, wallet)
  if (state !== null) await writeWalletState(path, state)
  await rm(pairingPath(path), { force: true })
  const ownerKeyHashes = [toHex(ownerKeyHash(ownerKey(wallet.seed, 0).publicKey))]
  output.result({ file: path, number, ownerKeyHashes, recoveryKeys: wallet.recoveryKeyHashes.length }, () => [
    `wallet         ${path}`,
    `owner key 0    ${ownerKeyHashes[0]}`,
    `recovery keys  ${wallet.recoveryKeyHashes.length === 0 ? 'none' : wallet.recoveryKeyHashes.length}`,
  ])
}

async function readPairing(wallet: string): Promise<{ seed: Uint8Array; request: string }> {
  const text = await readBoundedFile(pairingPath(wallet), 16 * 1024)
  try {
    const { version, seed, request } = JSON.parse(text ?? '') as Record<string, unknown>
    const bytes = typeof seed === 'string' ? parseHex(seed) : undefined
    if (version !== 1 || bytes?.length !== 32 || typeof request !== 'string') throw new Error('shape')
    return { seed: bytes, request }
  } catch (error) {
    throw new EpioneError('bad-pairing', 'this device has made no request for a wallet; begin with: epione wallet pair request', {
      cause: error,
    })
  }
}
