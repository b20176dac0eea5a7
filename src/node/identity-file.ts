/** The keystore with the keys of one person, such as a clinician, for whom an organisation answers. */
import { mkdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createKeystore, type KeystoreOptions, openKeystore } from '../crypto/keystore.ts'
import { utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'

export interface IdentityContents {
  /** Name as it stands on the contact card. */
  name: string
  role: string
  /** Account of the organisation that answers for the person. */
  organisation: Uint8Array
  chainId: Uint8Array
  signingSeed: Uint8Array
  sealingSeed: Uint8Array
}

const entry = (name: string): string => `identity/${name}`

/** Writes a new identity keystore, and its folder if needed. @throws as createKeystore */
export async function createIdentityKeystore(
  path: string,
  passphrase: string,
  contents: IdentityContents,
  options: KeystoreOptions = {},
): Promise<void> {
  const { name, role, organisation, chainId, signingSeed, sealingSeed } = contents
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await createKeystore(
    path,
    passphrase,
    {
      [entry('name')]: utf8(name),
      [entry('role')]: utf8(role),
      [entry('organisation')]: organisation,
      [entry('chain-id')]: chainId,
      [entry('signing-seed')]: signingSeed,
      [entry('sealing-seed')]: sealingSeed,
    },
    options,
  )
}

/** Reads an identity keystore. @throws as openKeystore; EpioneError `not-an-identity` for a keystore of another kind */
export async function openIdentityKeystore(path: string, passphrase: string): Promise<IdentityContents> {
  const entries = await openKeystore(path, passphrase)
  const bytes = (name: string, length?: number): Uint8Array => {
    const value = entries[entry(name)]
    if (value === undefined || (length !== undefined && value.length !== length)) {
      throw new EpioneError('not-an-identity', `${path} is a keystore, but not of a person's keys`, { metadata: { path } })
    }
    return value
  }
  const text = (name: string): string => new TextDecoder().decode(bytes(name))
  return {
    name: text('name'),
    role: text('role'),
    organisation: bytes('organisation', 32),
    chainId: bytes('chain-id', 32),
    signingSeed: bytes('signing-seed', 32),
    sealingSeed: bytes('sealing-seed', 32),
  }
}
