/** The key schedule of HPKE (RFC 9180 section 5.1) in base mode with HKDF-SHA-256, for messages that are sealed once. */
import { concat, utf8 } from '../encoding/bytes.ts'
import { hkdfExpand } from './kdf.ts'
import { hmacSha256 } from './platform.ts'

const VERSION = utf8('HPKE-v1')
const EMPTY = new Uint8Array(0)
const MODE_BASE = Uint8Array.of(0)

export interface HpkeSuite {
  /** Identifiers of RFC 9180 section 7: KEM, KDF, AEAD. */
  readonly kem: number
  readonly kdf: number
  readonly aead: number
  /** Length of the AEAD's key, in bytes. */
  readonly keyLength: number
}

/** `suite_id` of RFC 9180 section 5.1. */
function suiteId(suite: HpkeSuite): Uint8Array {
  const id = new Uint8Array(10)
  id.set(utf8('HPKE'))
  const view = new DataView(id.buffer)
  view.setUint16(4, suite.kem)
  view.setUint16(6, suite.kdf)
  view.setUint16(8, suite.aead)
  return id
}

/** Key and nonce for the one message under `sharedSecret`, bound to `info`. */
export type HpkeKeySchedule = (sharedSecret: Uint8Array, info: Uint8Array) => { key: Uint8Array; nonce: Uint8Array }

/** The schedule of a suite; what does not depend on the message is computed once. */
export function hpkeKeySchedule(suite: HpkeSuite): HpkeKeySchedule {
  const id = suiteId(suite)
  const extract = (salt: Uint8Array, label: Uint8Array, ikm: Uint8Array): Uint8Array => hmacSha256(salt, concat(VERSION, id, label, ikm))
  const expand = (key: Uint8Array, label: Uint8Array, info: Uint8Array, length: number): Uint8Array =>
    hkdfExpand(key, concat(Uint8Array.of(length >> 8, length & 0xff), VERSION, id, label, info), length)
  const pskIdHash = extract(EMPTY, utf8('psk_id_hash'), EMPTY)
  const infoLabel = utf8('info_hash')
  const secretLabel = utf8('secret')
  const keyLabel = utf8('key')
  const nonceLabel = utf8('base_nonce')
  return (sharedSecret, info) => {
    const context = concat(MODE_BASE, pskIdHash, extract(EMPTY, infoLabel, info))
    const secret = extract(sharedSecret, secretLabel, EMPTY)
    return { key: expand(secret, keyLabel, context, suite.keyLength), nonce: expand(secret, nonceLabel, context, 12) }
  }
}
