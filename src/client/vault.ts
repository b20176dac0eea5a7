/**
 * Secrets at rest, for where there is no keystore file: sealed under a key of their own, which each way of unlocking wraps: a passphrase (scrypt, RFC 7914) or
 * what a passkey gives (the `prf` extension of WebAuthn). Without one of these the bytes say nothing but their length. They are bound to nothing else: whoever
 * has the bytes and the passphrase has the secrets, so that a copy of them is a backup.
 */
import { hkdf } from '../crypto/kdf.ts'
import { aesGcmOpen, aesGcmSeal, scryptSha256 } from '../crypto/platform.ts'
import { randomBytes } from '../crypto/random.ts'
import { concat, equalBytes, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import { domain } from '../encoding/hash.ts'
import { byteString, codec, hash32, type Infer, integer, list, struct, tagged } from '../encoding/schema.ts'

/** Longest secrets that a vault takes, in bytes. */
export const MAX_VAULT_SECRETS = 64 * 1024
/** Ways to unlock one vault. */
const MAX_LOCKS = 8
const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** Memory of 32 MiB: what a phone's browser can spare. */
const SCRYPT = { N: 2 ** 15, r: 8, p: 1 } as const
/** Most that a vault may ask for, so that a foreign one cannot fill the memory: 256 MiB. */
const MAX_SCRYPT = { logN: 18, r: 8, p: 4 } as const
const NO_SALT = new Uint8Array(0)

const lockSchema = struct({
  by: tagged({
    passphrase: struct({ salt: hash32, logN: integer(MAX_SCRYPT.logN, 1), r: integer(MAX_SCRYPT.r, 1), p: integer(MAX_SCRYPT.p, 1) }),
    /** The credential that gives the key, and what it is asked with. */
    passkey: struct({ credential: byteString(1024, 1), salt: hash32 }),
  }),
  nonce: byteString(NONCE_BYTES, NONCE_BYTES),
  /** The vault's key, sealed. */
  wrapped: byteString(KEY_BYTES + TAG_BYTES, KEY_BYTES + TAG_BYTES),
})
const vaultCodec = codec(
  struct({
    version: integer(1, 1),
    locks: list(lockSchema, MAX_LOCKS, 1),
    nonce: byteString(NONCE_BYTES, NONCE_BYTES),
    sealed: byteString(MAX_VAULT_SECRETS + TAG_BYTES, TAG_BYTES),
  }),
  MAX_VAULT_SECRETS + 16 * 1024,
)
type Vault = Infer<typeof vaultCodec>
type Lock = Vault['locks'][number]

/** What unlocks a vault. */
export type Unlock =
  | { readonly passphrase: string }
  /** A passkey's answer to `salt`: the first output of its `prf` extension, 32 bytes. See {@link vaultPasskeys}. */
  | { readonly passkey: { readonly credential: Uint8Array; readonly salt: Uint8Array; readonly output: Uint8Array } }

/** Seals secrets, such as a wallet's seed, for one way of unlocking; others are added by {@link addLock}. @throws EpioneError `too-large`, `passphrase-empty` */
export async function sealVault(secrets: Uint8Array, unlock: Unlock): Promise<Uint8Array> {
  if (secrets.length > MAX_VAULT_SECRETS) throw new EpioneError('too-large', `A vault holds at most ${MAX_VAULT_SECRETS} bytes.`)
  const key = randomBytes(KEY_BYTES)
  try {
    const nonce = randomBytes(NONCE_BYTES)
    return vaultCodec.encode({
      version: 1,
      locks: [await lockFor(key, unlock)],
      nonce,
      sealed: aesGcmSeal(key, nonce, domain('vault'), secrets),
    })
  } finally {
    key.fill(0)
  }
}

/** Opens a vault. @throws EpioneError `vault-damaged`, `wrong-passphrase`, `passkey-unknown` */
export async function openVault(bytes: Uint8Array, unlock: Unlock): Promise<Uint8Array> {
  const vault = decode(bytes)
  const key = await keyOf(vault, unlock)
  try {
    const secrets = aesGcmOpen(key, vault.nonce, domain('vault'), vault.sealed)
    if (secrets === undefined) throw damaged()
    return secrets
  } finally {
    key.fill(0)
  }
}

/** The same vault with one more way to unlock it. @throws EpioneError as {@link openVault}; `too-many-locks` */
export async function addLock(bytes: Uint8Array, unlock: Unlock, added: Unlock): Promise<Uint8Array> {
  const vault = decode(bytes)
  if (vault.locks.length >= MAX_LOCKS) throw new EpioneError('too-many-locks', `A vault has at most ${MAX_LOCKS} ways to unlock it.`)
  const key = await keyOf(vault, unlock)
  try {
    return vaultCodec.encode({ ...vault, locks: [...vault.locks, await lockFor(key, added)] })
  } finally {
    key.fill(0)
  }
}

/** The same secrets under a new key, with one way to unlock them: what could unlock the vault before opens old copies of it and not this one. */
export async function relockVault(bytes: Uint8Array, unlock: Unlock, next: Unlock): Promise<Uint8Array> {
  const secrets = await openVault(bytes, unlock)
  try {
    return await sealVault(secrets, next)
  } finally {
    secrets.fill(0)
  }
}

/** The passkeys that unlock a vault: which credential to ask, and with which salt as `prf.eval.first`. @throws EpioneError `vault-damaged` */
export function vaultPasskeys(bytes: Uint8Array): { credential: Uint8Array; salt: Uint8Array }[] {
  return decode(bytes).locks.flatMap(({ by }) => (by.type === 'passkey' ? [by.value] : []))
}

async function lockFor(key: Uint8Array, unlock: Unlock): Promise<Lock> {
  const by: Lock['by'] =
    'passphrase' in unlock
      ? { type: 'passphrase', value: { salt: randomBytes(32), logN: Math.log2(SCRYPT.N), r: SCRYPT.r, p: SCRYPT.p } }
      : { type: 'passkey', value: { credential: unlock.passkey.credential, salt: unlock.passkey.salt } }
  if ('passphrase' in unlock && unlock.passphrase === '')
    throw new EpioneError('passphrase-empty', 'A passphrase has at least one character.')
  const wrapping = await wrappingKey(by, unlock)
  const nonce = randomBytes(NONCE_BYTES)
  return { by, nonce, wrapped: aesGcmSeal(wrapping, nonce, domain('vault-lock'), key) }
}

async function keyOf({ locks }: Vault, unlock: Unlock): Promise<Uint8Array> {
  for (const { by, nonce, wrapped } of locks) {
    if (
      by.type === 'passphrase'
        ? !('passphrase' in unlock)
        : !('passkey' in unlock && equalBytes(by.value.credential, unlock.passkey.credential))
    )
      continue
    const key = aesGcmOpen(await wrappingKey(by, unlock), nonce, domain('vault-lock'), wrapped)
    if (key !== undefined) return key
  }
  if ('passphrase' in unlock) throw new EpioneError('wrong-passphrase', 'This passphrase does not unlock it.')
  throw new EpioneError('passkey-unknown', 'This passkey does not unlock it; use the one with which it was locked, or the passphrase.')
}

async function wrappingKey(by: Lock['by'], unlock: Unlock): Promise<Uint8Array> {
  if (by.type === 'passphrase' && 'passphrase' in unlock) {
    const { salt, logN, r, p } = by.value
    return await scryptSha256(utf8(unlock.passphrase.normalize('NFKC')), salt, { N: 2 ** logN, r, p }, KEY_BYTES)
  }
  if (by.type === 'passkey' && 'passkey' in unlock) {
    const { output, credential } = unlock.passkey
    if (output.length !== KEY_BYTES)
      throw new EpioneError('passkey-unsupported', 'This passkey gives no key (the prf extension): use a passphrase, or another passkey.')
    return hkdf(output, NO_SALT, concat(domain('vault-passkey'), by.value.salt, credential), KEY_BYTES)
  }
  throw damaged()
}

function decode(bytes: Uint8Array): Vault {
  try {
    return vaultCodec.decode(bytes)
  } catch (cause) {
    throw new EpioneError('vault-damaged', 'This is no vault, or it is damaged: restore the wallet from its phrase.', { cause })
  }
}

function damaged(): EpioneError {
  return new EpioneError('vault-damaged', 'This vault is damaged: restore the wallet from its phrase.')
}
