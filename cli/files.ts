/** Files that a command makes. */
import { access } from 'node:fs/promises'
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
