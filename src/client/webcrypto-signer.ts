/**
 * Signing keys that WebCrypto keeps and never gives out: a page's script can sign with one while it runs, and nobody can take it along. Where they are
 * stored is the caller's: IndexedDB takes a `CryptoKeyPair` as it is.
 */
import { EpioneError } from '../encoding/errors.ts'
import type { Signer } from './signer.ts'

const ED25519 = 'Ed25519'

function bytes(data: Uint8Array): Uint8Array<ArrayBuffer> {
  return data as Uint8Array<ArrayBuffer>
}

/** A new key pair whose private half cannot be exported. @throws EpioneError `unsupported` where the browser has no Ed25519 */
export async function generateWebCryptoKey(): Promise<CryptoKeyPair> {
  try {
    return (await crypto.subtle.generateKey(ED25519, false, ['sign', 'verify'])) as CryptoKeyPair
  } catch (cause) {
    throw new EpioneError(
      'unsupported',
      'This browser has no Ed25519 keys of its own: keep a seed in a vault instead, or use a newer browser.',
      { cause },
    )
  }
}

/** A signer of a key pair of WebCrypto. @throws EpioneError `unsupported` where it is not of Ed25519, or may not sign */
export async function webCryptoSigner({ privateKey, publicKey }: CryptoKeyPair): Promise<Signer> {
  if (privateKey.algorithm.name !== ED25519 || !privateKey.usages.includes('sign')) {
    throw new EpioneError('unsupported', 'This key does not sign by Ed25519.')
  }
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey))
  return { publicKey: raw, sign: async message => new Uint8Array(await crypto.subtle.sign(ED25519, privateKey, bytes(message))) }
}
