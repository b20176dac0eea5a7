/**
 * Encryption at rest for what must be forgettable: sealed keys, salts, grant wraps. The keyring is a file of its own that stays out of
 * backups. It has a key for each of 256 buckets of folders, so that one folder's things are forgotten for good by writing a 256th of
 * what is kept under a new key and destroying the old one: after that, no older copy of the custody's files gives them back.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { hkdf } from '../crypto/kdf.ts'
import { concat, parseHex, toHex, u32, utf8 } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'
import type { KeyValueStore, StoreOperation } from '../ledger/store.ts'

/** Folders share a key by the first byte of their ids, which are hashes. */
const BUCKETS = 256
/** Values that are written anew at a time. */
const RESEAL_PAGE = 64

const fileSchema = z.strictObject({
  version: z.literal(2),
  keys: z
    .array(
      z.strictObject({
        id: z.number().int().min(1).max(0xffff_ffff),
        bucket: z
          .number()
          .int()
          .min(0)
          .max(BUCKETS - 1),
        wrapped: z.string().regex(/^[0-9a-f]+$/),
      }),
    )
    .min(BUCKETS)
    .max(2 * BUCKETS),
})

interface RingKey {
  readonly bucket: number
  readonly key: Uint8Array
}

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

/** The bucket of a folder. */
export function bucketOf(folder: Uint8Array): number {
  return folder[0] as number
}

export class Keyring {
  readonly #path: string
  /** Encrypts the keys in the file. */
  readonly #wrapping: Uint8Array
  readonly #keys: Map<number, RingKey>
  /** By bucket: id of its newest key. */
  readonly #current = new Map<number, number>()
  /** By bucket: the last of its changes under way. */
  readonly #changes = new Map<number, Promise<unknown>>()
  /** The last write of the file under way. */
  #writing: Promise<unknown> = Promise.resolve()

  private constructor(path: string, wrapping: Uint8Array, keys: Map<number, RingKey>) {
    this.#path = path
    this.#wrapping = wrapping
    this.#keys = keys
    for (const [id, { bucket }] of keys) this.#current.set(bucket, Math.max(id, this.#current.get(bucket) ?? 0))
  }

  /** Opens the keyring, or makes it with first keys. `master` is the node's storage secret, from its keystore. @throws EpioneError `keyring-corrupt` */
  static async open(path: string, master: Uint8Array): Promise<Keyring> {
    const wrapping = hkdf(master, new Uint8Array(0), utf8('epione/keyring/2'), 32)
    let text: string
    try {
      text = await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      const made = Array.from({ length: BUCKETS }, (_, bucket) => [bucket + 1, { bucket, key: new Uint8Array(randomBytes(32)) }] as const)
      const keyring = new Keyring(path, wrapping, new Map(made))
      await keyring.#write()
      return keyring
    }
    try {
      const file = fileSchema.parse(JSON.parse(text))
      const keys = file.keys.map(({ id, bucket, wrapped }): [number, RingKey] => [
        id,
        { bucket, key: decrypt(wrapping, parseHex(wrapped) as Uint8Array, concat(u32(id), u32(bucket))) },
      ])
      const keyring = new Keyring(path, wrapping, new Map(keys))
      if (keyring.#keys.size !== keys.length || keyring.#current.size !== BUCKETS) throw new Error('a key twice, or a bucket without one')
      return keyring
    } catch (error) {
      throw new EpioneError(
        'keyring-corrupt',
        `The keyring ${path} cannot be read with this node's keys; restore the file that belongs to them.`,
        { cause: error },
      )
    }
  }

  /** Writes the file anew: aside, synced, moved into place. One write at a time, each of the keys as they are when it begins. */
  async #write(): Promise<void> {
    const run = this.#writing.then(async () => {
      const keys = [...this.#keys].map(([id, { bucket, key }]) => ({
        id,
        bucket,
        wrapped: toHex(encrypt(this.#wrapping, key, concat(u32(id), u32(bucket)))),
      }))
      const temporary = `${this.#path}.tmp`
      const handle = await open(temporary, 'w', 0o600)
      try {
        await handle.writeFile(`${JSON.stringify({ version: 2, keys }, null, 1)}\n`)
        await handle.sync()
      } finally {
        await handle.close()
      }
      await rename(temporary, this.#path)
      const folder = await open(dirname(this.#path), 'r')
      await folder.sync()
      await folder.close()
    })
    this.#writing = run.catch(() => undefined)
    await run
  }

  /** Encrypts under the newest key of the folder's bucket, bound to the place where the bytes are kept. To be stored {@link within} it. */
  seal(folder: Uint8Array, plaintext: Uint8Array, place: Uint8Array): Uint8Array {
    return this.#sealIn(bucketOf(folder), plaintext, place)
  }

  #sealIn(bucket: number, plaintext: Uint8Array, place: Uint8Array): Uint8Array {
    const id = this.#current.get(bucket) as number
    return concat(u32(id), encrypt((this.#keys.get(id) as RingKey).key, plaintext, place))
  }

  /** @throws EpioneError `forgotten` where the key was destroyed or the bytes are not what was written */
  open(sealed: Uint8Array, place: Uint8Array): Uint8Array {
    try {
      const found = this.#keys.get(keyId(sealed))
      if (found !== undefined) return decrypt(found.key, sealed.subarray(4), place)
    } catch {
      // Falls through: a wrong tag, a missing key and bytes that are cut short are the same to the caller.
    }
    throw new EpioneError('forgotten', 'The key of these bytes was destroyed, or the bytes were changed on disk.')
  }

  /** Runs one change of what is kept under a folder's bucket, when those before it are done: none is lost or undone by {@link destroy}. */
  async within<T>(folder: Uint8Array, change: () => Promise<T>): Promise<T> {
    return await this.#changing(bucketOf(folder), change)
  }

  async #changing<T>(bucket: number, change: () => Promise<T>): Promise<T> {
    const run = (this.#changes.get(bucket) ?? Promise.resolve()).then(change)
    const settled = run.catch(() => undefined)
    this.#changes.set(bucket, settled)
    try {
      return await run
    } finally {
      if (this.#changes.get(bucket) === settled) this.#changes.delete(bucket)
    }
  }

  /** Buckets with more than their newest key: {@link destroy} was interrupted there. */
  unfinished(): number[] {
    return [...new Set([...this.#keys].filter(([id, { bucket }]) => this.#current.get(bucket) !== id).map(([, { bucket }]) => bucket))]
  }

  /**
   * Gives a bucket a new key, has `reseal` write under it what shall stay, and destroys the older one: whatever else was written under
   * that is unreadable from then on, in copies too. One at a time. Interrupted, it loses nothing, and is brought to its end by the next
   * call: a bucket never has more than two keys.
   */
  async destroy(bucket: number, reseal: () => Promise<void>): Promise<void> {
    if (this.unfinished().includes(bucket)) await this.#finish(bucket, reseal)
    await this.#changing(bucket, async () => {
      const id = Math.max(...this.#keys.keys()) + 1
      this.#keys.set(id, { bucket, key: new Uint8Array(randomBytes(32)) })
      try {
        // On disk before anything is written under it.
        await this.#write()
      } catch (error) {
        this.#keys.delete(id)
        throw error
      }
      this.#current.set(bucket, id)
    })
    await this.#finish(bucket, reseal)
  }

  async #finish(bucket: number, reseal: () => Promise<void>): Promise<void> {
    await reseal()
    for (const [id, { bucket: of, key }] of this.#keys) {
      if (of !== bucket || id === this.#current.get(bucket)) continue
      this.#keys.delete(id)
      key.fill(0)
    }
    await this.#write()
  }

  /**
   * Writes the values at these keys anew under the bucket's newest key, some at a time; what changed or went meanwhile stays as it is
   * then. Values that no key of the ring opens are left alone.
   * @param wrap how `store` holds sealed bytes
   */
  async reseal(
    bucket: number,
    store: KeyValueStore,
    keys: AsyncIterable<Uint8Array>,
    wrap: { read: (value: Uint8Array) => Uint8Array | undefined; write: (sealed: Uint8Array) => Uint8Array },
  ): Promise<void> {
    const change = async (page: readonly Uint8Array[]): Promise<void> =>
      await this.#changing(bucket, async () => {
        const operations: StoreOperation[] = []
        for (const key of page) {
          const value = await store.get(key)
          const sealed = value === undefined ? undefined : wrap.read(value)
          if (sealed === undefined || keyId(sealed) === this.#current.get(bucket) || !this.#keys.has(keyId(sealed))) continue
          operations.push({ type: 'put', key, value: wrap.write(this.#sealIn(bucket, this.open(sealed, key), key)) })
        }
        if (operations.length > 0) await store.batch(operations, { sync: true })
      })
    let page: Uint8Array[] = []
    for await (const key of keys) {
      page.push(key)
      if (page.length < RESEAL_PAGE) continue
      await change(page)
      page = []
    }
    await change(page)
  }
}

/** Number of the key under which bytes were sealed; 0, which no key has, where they are cut short. */
function keyId(sealed: Uint8Array): number {
  return sealed.length < 4 ? 0 : new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength).getUint32(0)
}
