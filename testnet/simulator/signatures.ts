/**
 * Signatures of simulations: as quick as a hash, and forged by nobody who does not want to. A subset of the schedules uses the real ones.
 */
import type { Verifier } from '../../src/consensus/application.ts'
import { type SigningKey, signingKeyFromSeed, verifySignature } from '../../src/crypto/signature.ts'
import { compareBytes, concat, equalBytes, u32 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'

function tag(publicKey: Uint8Array, message: Uint8Array): Uint8Array {
  return taggedHash('simulated-signature', publicKey, message)
}

function simulatedKey(index: number): SigningKey {
  const publicKey = taggedHash('simulated-key', u32(index))
  return {
    publicKey,
    sign: message => {
      const half = tag(publicKey, message)
      return concat(half, half)
    },
  }
}

function realKey(index: number): SigningKey {
  return signingKeyFromSeed(taggedHash('simulated-seed', u32(index)))
}

/** Verifies without leaving the thread, so that a simulation stays deterministic. */
function inline(verify: Verifier['verify']): Verifier {
  return { verify, verifyAsync: (publicKey, message, signature) => Promise.resolve(verify(publicKey, message, signature)) }
}

const SIMULATED = inline((publicKey, message, signature) => {
  const half = tag(publicKey, message)
  return signature.length === 64 && equalBytes(signature.subarray(0, 32), half) && equalBytes(signature.subarray(32), half)
})
const REAL = inline(verifySignature)

const cache = new Map<string, readonly SigningKey[]>()

/** `count` keys, ascending by public key as in validator sets, and how to verify what they sign. */
export function keysOf(count: number, real: boolean): { keys: readonly SigningKey[]; verifier: Verifier } {
  const name = `${real} ${count}`
  let keys = cache.get(name)
  if (keys === undefined) {
    keys = Array.from({ length: count }, (_, index) => (real ? realKey(index) : simulatedKey(index))).sort((a, b) =>
      compareBytes(a.publicKey, b.publicKey),
    )
    cache.set(name, keys)
  }
  return { keys, verifier: real ? REAL : SIMULATED }
}
