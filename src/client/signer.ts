/** What signs for a person: a key in memory, one that WebCrypto keeps, a card or a service that takes its time. */
import { SIGNATURE_LENGTH, verifySignature } from '../crypto/signature.ts'
import { EpioneError } from '../encoding/errors.ts'

/** A private key of Ed25519 wherever it is; every `SigningKey` is one. */
export interface Signer {
  /** 32 bytes. */
  readonly publicKey: Uint8Array
  /** 64 bytes over a message that opens with a domain, as RFC 8032 has it. */
  sign(message: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/**
 * A signature that was checked: what a card or a service gives back is not taken on its word.
 * @throws EpioneError `signer-failed` where it is not a signature of that key over that message; what the signer throws
 */
export async function signed(signer: Signer, message: Uint8Array): Promise<Uint8Array> {
  const signature = await signer.sign(message)
  if (signature.length === SIGNATURE_LENGTH && verifySignature(signer.publicKey, message, signature)) return signature
  throw new EpioneError('signer-failed', 'The signer gave something that is no signature of its key: unlock it, or choose another.')
}
