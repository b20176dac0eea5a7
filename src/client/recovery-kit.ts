/**
 * The recovery kit: what opens a wallet's records after a recovery, sealed under the recovery seed. It may lie anywhere: without
 * the recovery seed it says nothing, and with it nobody gets anything to open before a recovery is finished.
 */
import { openRecoveryBox, sealRecoveryBox } from '../crypto/recovery-box.ts'
import { readingSeed } from '../crypto/wallet.ts'
import { EpioneError } from '../encoding/errors.ts'
import { byteString, codec, hash32, integer, list, struct } from '../encoding/schema.ts'
import { fromBase64Url, toBase64Url } from './base64url.ts'
import { RECOVERY_KEYS, type TakenOver, type Wallet } from './folders.ts'

/** Recoveries that one wallet's kit can tell of. */
const MAX_TAKEN_OVER = 32
const MAX_KIT_BYTES = 24 * 1024

const takenOverSchema = list(
  struct({
    readingSeed: hash32,
    folders: list(
      struct({ folder: hash32, keyIndex: integer(0xffff_ffff), lastEpoch: integer(0xffff_ffff), nextKeyIndex: integer(0xffff_ffff) }),
      RECOVERY_KEYS,
    ),
  }),
  MAX_TAKEN_OVER,
)
/** What a wallet file keeps of {@link Wallet.takenOver}. */
export const takenOverCodec = codec(takenOverSchema, MAX_KIT_BYTES)
const contentCodec = codec(struct({ readingSeed: hash32, takenOver: takenOverSchema }), MAX_KIT_BYTES + 64)
const kitCodec = codec(struct({ version: integer(1, 1), box: byteString(MAX_KIT_BYTES + 128, 28) }), MAX_KIT_BYTES + 256)

/** What a kit opens to. */
export interface RecoveryKit {
  readonly readingSeed: Uint8Array
  readonly takenOver: readonly TakenOver[]
}

export const KIT = 'epione-kit:'

/** As a codec takes it. */
export function plain(takenOver: readonly TakenOver[]): Parameters<typeof takenOverCodec.encode>[0] {
  return takenOver.map(({ readingSeed: seed, folders }) => ({ readingSeed: seed, folders: [...folders] }))
}

/** The kit of a wallet, for whoever has its recovery seed. */
export function encodeKit(wallet: Wallet, recoverySeed: Uint8Array): string {
  const content = contentCodec.encode({ readingSeed: readingSeed(wallet.seed), takenOver: plain(wallet.takenOver ?? []) })
  return KIT + toBase64Url(kitCodec.encode({ version: 1, box: sealRecoveryBox(recoverySeed, content) }))
}

/** Opens a recovery kit with the recovery seed. @throws EpioneError `bad-kit`; `unsealing-failed` where the kit is of another recovery seed */
export function openKit(value: string, recoverySeed: Uint8Array): RecoveryKit {
  let box: Uint8Array
  try {
    if (!value.startsWith(KIT)) throw new Error('prefix')
    box = kitCodec.decode(fromBase64Url(value.slice(KIT.length))).box
  } catch (error) {
    throw new EpioneError(
      'bad-kit',
      `This is not a recovery kit; one begins with "${KIT}" and is on the recovery sheet and with every guardian's share.`,
      { cause: error },
    )
  }
  return contentCodec.decode(openRecoveryBox(recoverySeed, box))
}
