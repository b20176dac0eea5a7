/**
 * Encryption at rest for what must be forgettable: sealed keys, salts, grant wraps. The keyring is a file of its own that stays
 * out of backups; destroying one of its keys destroys everything that was written under it.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { hkdf } from '../crypto/kdf.ts'
import { concat, parseHex, toHex, u32, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'

const fileSchema = z.strictObject({
  version: z.literal(1),
  keys: z
    .array(z.strictObject({ id: z.number().int().min(1), wrapped: z.string().regex(/^[0-9a-f]+$/) }))
    .min(1)
    .max(10_000),
})

const NONCE = 12
const TAG = 16

function encrypt(key: Uint8Array, plaintext: Uint8Array, aad: Uint8Array): Uint8Array {
  const nonce = randomBytes(NONCE)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(aad)
  return concat(nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
}

function decrypt(key: Uint8Array, sealed: Uint8Array, aad: Uint8Array): Uint8Array {
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, NONCE), { authTagLength: TAG })
  decipher.setAAD(aad)
  decipher.setAuthTag(sealed.subarray(sealed.length - TAG))
  return concat(decipher.update(sealed.subarray(NONCE, sealed.length - TAG)), decipher.final())
}

export class Keyring {
  readonly #keys: Map<number, Uint8Array>
  readonly #current: number

  private constructor(keys: Map<number, Uint8Array>) {
    this.#keys = keys
    this.#current = Math.max(...keys.keys())
  }

  /** Opens the keyring, or makes it with a first key. `master` is the node's storage secret, from its keystore. */
  static async open(path: string, master: Uint8Array): Promise<Keyring> {
    const wrapping = hkdf(master, new Uint8Array(0), utf8('epione/keyring/1'), 32)
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      const keys = new Map([[1, new Uint8Array(randomBytes(32))]])
      await Keyring.#write(path, wrapping, keys)
      return new Keyring(keys)
    }
    try {
      const file = fileSchema.parse(JSON.parse(text))
      return new Keyring(new Map(file.keys.map(({ id, wrapped }) => [id, decrypt(wrapping, parseHex(wrapped) as Uint8Array, u32(id))])))
    } catch (error) {
      throw new EpioneError(
        'keyring-corrupt',
        `The keyring ${path} cannot be read with this node's keys; restore the file that belongs to them.`,
        { cause: error },
      )
    }
  }

  static async #write(path: string, wrapping: Uint8Array, keys: ReadonlyMap<number, Uint8Array>): Promise<void> {
    const file = { version: 1, keys: [...keys].map(([id, key]) => ({ id, wrapped: toHex(encrypt(wrapping, key, u32(id))) })) }
    const temporary = `${path}.tmp`
    const handle = await open(temporary, 'w', 0o600)
    try {
      await handle.writeFile(`${JSON.stringify(file, null, 2)}\n`)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(temporary, path)
    const folder = await open(dirname(path), 'r')
    await folder.sync()
    await folder.close()
  }

  /** Encrypts under the newest key, bound to the place where the bytes are kept. */
  seal(plaintext: Uint8Array, place: Uint8Array): Uint8Array {
    return concat(u32(this.#current), encrypt(this.#keys.get(this.#current) as Uint8Array, plaintext, place))
  }

  /** @throws EpioneError `forgotten` where the key was destroyed or the bytes are not what was written */
  open(sealed: Uint8Array, place: Uint8Array): Uint8Array {
    try {
      const id = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength).getUint32(0)
      const key = this.#keys.get(id)
      if (key !== undefined) return decrypt(key, sealed.subarray(4), place)
    } catch {
      // Falls through: a wrong tag, a missing key and bytes that are cut short are the same to the caller.
    }
    throw new EpioneError('forgotten', 'The key of these bytes was destroyed, or the bytes were changed on disk.')
  }
}
