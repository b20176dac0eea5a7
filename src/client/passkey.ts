/**
 * Passkeys as keys of a vault: what the authenticator gives for a salt by the `prf` extension of WebAuthn Level 3 (section 10.1.4), for pages. The credential is bound to the page's
 * host; its output leaves the authenticator only after the person was verified, by a finger or a PIN.
 */
import { randomBytes } from '../crypto/random.ts'
import { EpioneError } from '../encoding/errors.ts'
import { toBase64Url } from './base64url.ts'
import type { Unlock } from './vault.ts'

/** ES256 and RS256 (RFC 9053): what authenticators speak. The signature is not looked at: nobody here asks who the person is. */
const ALGORITHMS = [-7, -257]
const SALT_BYTES = 32

type PasskeyUnlock = Extract<Unlock, { passkey: unknown }>

/**
 * Has the authenticator make a passkey, and asks it for its key at once: twice a finger, where it gives none at the making.
 * @param options.user what the authenticator shows for it, such as `My wallet`
 * @returns what seals a vault, or adds a lock to one
 * @throws EpioneError `passkey-unsupported` where there is no authenticator that can do this, `passkey-refused` where the person did not want to
 */
export async function createPasskey(options: { user: string; signal?: AbortSignal }): Promise<PasskeyUnlock> {
  const { user, signal } = options
  const salt = randomBytes(SALT_BYTES)
  const created = await asked(async () => {
    return await navigator.credentials.create({
      signal,
      publicKey: {
        rp: { name: location.hostname },
        user: { id: buffer(randomBytes(16)), name: user, displayName: user },
        challenge: buffer(randomBytes(32)),
        pubKeyCredParams: ALGORITHMS.map(alg => ({ type: 'public-key', alg })),
        authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
        extensions: { prf: { eval: { first: buffer(salt) } } },
      },
    })
  })
  const credential = new Uint8Array(created.rawId)
  const output = outputOf(created)
  if (output !== undefined) return { passkey: { credential, salt, output } }
  if (created.getClientExtensionResults().prf?.enabled !== true) throw unsupported()
  return await askPasskey([{ credential, salt }], { signal })
}

/**
 * Asks for the key of one of the passkeys of a vault, see `vaultPasskeys`.
 * @throws EpioneError `passkey-unsupported`, `passkey-refused`
 */
export async function askPasskey(
  passkeys: readonly { credential: Uint8Array; salt: Uint8Array }[],
  options: { signal?: AbortSignal } = {},
): Promise<PasskeyUnlock> {
  if (passkeys.length === 0) throw unsupported()
  const found = await asked(async () => {
    return await navigator.credentials.get({
      signal: options.signal,
      publicKey: {
        challenge: buffer(randomBytes(32)),
        allowCredentials: passkeys.map(({ credential }) => ({ type: 'public-key', id: buffer(credential) })),
        userVerification: 'required',
        extensions: {
          prf: {
            evalByCredential: Object.fromEntries(
              passkeys.map(({ credential, salt }) => [toBase64Url(credential), { first: buffer(salt) }]),
            ),
          },
        },
      },
    })
  })
  const credential = new Uint8Array(found.rawId)
  const output = outputOf(found)
  const salt = passkeys.find(each => toBase64Url(each.credential) === toBase64Url(credential))?.salt
  if (output === undefined || salt === undefined) throw unsupported()
  return { passkey: { credential, salt, output } }
}

async function asked(ask: () => Promise<Credential | null>): Promise<PublicKeyCredential> {
  if (globalThis.navigator?.credentials === undefined) throw unsupported()
  try {
    const found = await ask()
    if (found === null) throw unsupported()
    return found as PublicKeyCredential
  } catch (error) {
    if (error instanceof EpioneError) throw error
    const { name } = error as DOMException
    if (name === 'AbortError') throw error
    if (name === 'NotAllowedError')
      throw new EpioneError('passkey-refused', 'The passkey was not given: it was declined, or took too long.', { cause: error })
    throw unsupported(error)
  }
}

function outputOf(credential: PublicKeyCredential): Uint8Array | undefined {
  const first = credential.getClientExtensionResults().prf?.results?.first
  if (first === undefined) return undefined
  return first instanceof ArrayBuffer ? new Uint8Array(first) : new Uint8Array(first.buffer, first.byteOffset, first.byteLength).slice()
}

function unsupported(cause?: unknown): EpioneError {
  return new EpioneError(
    'passkey-unsupported',
    'This device or browser has no passkey that gives a key (the prf extension); use a passphrase.',
    cause === undefined ? {} : { cause },
  )
}

function buffer(bytes: Uint8Array): ArrayBuffer {
  return bytes.slice().buffer as ArrayBuffer
}
