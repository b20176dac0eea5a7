/** Files that a command makes or reads. */
import { access, readFile, stat } from 'node:fs/promises'
import { EpioneError } from '../src/encoding/errors.ts'

/** Says that a keystore is in the way before anybody types a passphrase. @throws EpioneError `keystore-exists` */
export async function assertNoKeystore(path: string, flag: '--wallet' | '--identity'): Promise<void> {
  const exists = await access(path).then(
    () => true,
    () => false,
  )
  if (exists) {
    throw new EpioneError('keystore-exists', `${path} exists already and is never overwritten; name another file with ${flag}`, {
      metadata: { path },
    })
  }
}

/** Bytes of a file. @throws EpioneError `file-missing`, `file-unreadable`, `file-too-large` */
export async function readBytes(path: string, maxBytes: number): Promise<Uint8Array> {
  const found = await stat(path).catch(() => null)
  if (found === null) throw new EpioneError('file-missing', `there is no file ${path}`, { metadata: { path } })
  if (!found.isFile()) throw new EpioneError('file-unreadable', `${path} is no file`, { metadata: { path } })
  if (found.size > maxBytes) {
    throw new EpioneError('file-too-large', `${path} is longer than ${maxBytes} bytes`, { metadata: { path, maxBytes } })
  }
  return new Uint8Array(await readFile(path))
}

/** Text of a file that somebody wrote. @throws as {@link readBytes} */
export async function readText(path: string, maxBytes: number): Promise<string> {
  return new TextDecoder().decode(await readBytes(path, maxBytes))
}
