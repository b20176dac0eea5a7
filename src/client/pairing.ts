/**
 * Another device for the same wallet. The new device makes a key for this once and shows it; the device that has the wallet seals it to that
 * key. Both show a number of what they gave and got: whoever comes between shows another.
 */
import { scryptKey } from '../crypto/kdf.ts'
import { seal, sealingKeyFromSeed } from '../crypto/sealing.ts'
import { sealingPublicKeySchema } from '../crypto/sealing-suites.ts'
import { concat, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain, taggedHash } from '../encoding/hash.ts'
import { byteString, codec, fixedBytes, hash32, type Infer, integer, list, nullable, struct } from '../encoding/schema.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import { RECOVERY_KEYS, type Wallet } from './folders.ts'

/** How long a request is good for, in ms. */
const REQUEST_MS = 10 * 60 * 1000
/** A number for which one guess takes about a tenth of a second: nobody finds a key with the same one while people wait. */
const CHECK_COST = { N: 2 ** 15, r: 8, p: 1 }
const CHECK_DIGITS = 9

const requestCodec = codec(struct({ version: integer(1, 1), sealingKey: sealingPublicKeySchema, until: integer() }), 4096)
const contentsCodec = codec(
  struct({
    seed: fixedBytes(32),
    recoveryKeyHashes: list(hash32, RECOVERY_KEYS),
    /** Network that the wallet is used with, and the first index whose keys were never handed out. */
    state: nullable(struct({ chainId: hash32, nextIndex: integer(0xffff_ffff) })),
  }),
  16 * 1024,
)
const answerCodec = codec(struct({ version: integer(1, 1), sealed: byteString(20 * 1024) }), 24 * 1024)

const REQUEST = 'epione-pair:'
const ANSWER = 'epione-wallet:'

/** A wallet, and what a device remembers of its use. */
export interface PairedWallet extends Wallet {
  readonly state: Infer<typeof contentsCodec>['state']
}

/** The new device's request, from a seed of 32 random bytes that it keeps until the answer comes. */
export function pairingRequest(seed: Uint8Array, nowMs: number): string {
  const request = { version: 1, sealingKey: sealingKeyFromSeed(seed).publicKey, until: nowMs + REQUEST_MS }
  return REQUEST + toBase64Url(requestCodec.encode(request))
}

/** Seals the wallet to a request. The numbers of the request must have been compared before. @throws EpioneError `bad-pairing`, `expired` */
export function answerPairing(request: string, wallet: PairedWallet, nowMs: number): string {
  const { sealingKey, until } = read(REQUEST, requestCodec.decode, request)
  if (until < nowMs || until > nowMs + 2 * REQUEST_MS)
    throw new EpioneError('expired', 'This request is too old, or one of the clocks is wrong: let the new device make another.')
  const { seed, recoveryKeyHashes, state } = wallet
  const contents = contentsCodec.encode({ seed, recoveryKeyHashes: [...recoveryKeyHashes], state })
  return ANSWER + toBase64Url(answerCodec.encode({ version: 1, sealed: seal(sealingKey, contents, contextOf(request)) }))
}

/** Opens the answer to the request that was made from a seed. @throws EpioneError `bad-pairing` */
export function openPairing(seed: Uint8Array, request: string, answer: string): PairedWallet {
  const { sealed } = read(ANSWER, answerCodec.decode, answer)
  try {
    return contentsCodec.decode(sealingKeyFromSeed(seed).open(sealed, contextOf(request)))
  } catch (error) {
    throw new EpioneError('bad-pairing', 'The answer is to another request than that of this device.', { cause: error })
  }
}

/** The number of a request or an answer, in groups of three digits, that people compare on both devices. */
export async function checkNumber(code: string): Promise<string> {
  const bytes = await scryptKey(code, utf8('epione/pairing-check'), CHECK_COST, 8)
  const number = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) % 10n ** BigInt(CHECK_DIGITS)
  return (String(number).padStart(CHECK_DIGITS, '0').match(/.{3}/g) ?? []).join(' ')
}

function contextOf(request: string) {
  return { info: concat(domain('seal-pairing')), aad: taggedHash('pairing-request', utf8(request)) }
}

function read<T>(prefix: string, decode: (bytes: Uint8Array) => T, value: string): T {
  try {
    if (!value.startsWith(prefix)) throw new Error('prefix')
    return decode(fromBase64Url(value.slice(prefix.length)))
  } catch (error) {
    throw new EpioneError('bad-pairing', `This is not what pairs devices; it begins with "${prefix}".`, { cause: error })
  }
}
