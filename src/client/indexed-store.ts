/** A few values that a browser keeps for a page's origin (IndexedDB): sealed vaults, and key pairs that WebCrypto does not give out. */
import { EpioneError } from '../encoding/errors.ts'

/** What may be kept: bytes, or a key pair as it is. */
export type Kept = Uint8Array | CryptoKeyPair

export interface KeptValues {
  /** Undefined where nothing is kept under this name, also where the browser has cleared it. */
  get(name: string): Promise<Kept | undefined>
  /** On disk when it settles. */
  set(name: string, value: Kept): Promise<void>
  delete(name: string): Promise<void>
  /** What is kept. */
  names(): Promise<string[]>
  close(): void
}

const TABLE = 'kept'

/**
 * Opens the store of a page, making it at first. Browsers may clear it, all at once, when the disk is full or the person asks for that: `navigator.storage.persist()`
 * makes that less likely, and the wallet's phrase is what brings it back.
 * @throws EpioneError `storage-failed`
 */
export async function openKeptValues(name: string): Promise<KeptValues> {
  const opening = indexedDB.open(name, 1)
  opening.onupgradeneeded = () => opening.result.createObjectStore(TABLE)
  const database = await settled(opening)
  const run = async <T>(mode: IDBTransactionMode, act: (table: IDBObjectStore) => IDBRequest<T>): Promise<T> => {
    const transaction = database.transaction(TABLE, mode, { durability: 'strict' })
    const done = new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve()
      transaction.onabort = () => reject(failed(transaction.error))
    })
    const result = await settled(act(transaction.objectStore(TABLE)))
    await done
    return result
  }
  return {
    get: async key => (await run('readonly', table => table.get(key))) as Kept | undefined,
    set: async (key, value) => void (await run('readwrite', table => table.put(value, key))),
    delete: async key => void (await run('readwrite', table => table.delete(key))),
    names: async () => (await run('readonly', table => table.getAllKeys())).map(String),
    close: () => database.close(),
  }
}

async function settled<T>(request: IDBRequest<T>): Promise<T> {
  return await new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(failed(request.error))
  })
}

function failed(cause: unknown): EpioneError {
  return new EpioneError('storage-failed', 'The browser could not keep or read this: it may be a private window, or the disk is full.', {
    cause,
  })
}
