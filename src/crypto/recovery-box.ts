/** What a wallet leaves for its own recovery: sealed under the recovery seed, to be kept by anybody. */
import { concat } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { aesGcmOpen, aesGcmSeal } from './platform.ts'
import { randomBytes } from './random.ts'
import { recoveryBoxKey } from './wallet.ts'

const NONCE_LENGTH = 12

/** Seals for whoever has the recovery seed. */
export function sealRecoveryBox(recoverySeed: Uint8Array, content: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE_LENGTH)
  return concat(nonce, aesGcmSeal(recoveryBoxKey(recoverySeed), nonce, domain('recovery-box'), content))
}

/** @throws EpioneError `unsealing-failed` where box and seed do not belong together */
export function openRecoveryBox(recoverySeed: Uint8Array, box: Uint8Array): Uint8Array {
  const content = aesGcmOpen(
    recoveryBoxKey(recoverySeed),
    box.subarray(0, NONCE_LENGTH),
    domain('recovery-box'),
    box.subarray(NONCE_LENGTH),
  )
  if (content === undefined) {
    throw new EpioneError('unsealing-failed', 'the recovery kit does not open: it is damaged, or of another recovery phrase')
  }
  return content
}
