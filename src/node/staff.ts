/** The people for whom an organisation answers: their keys and roles, kept on its own node and nowhere else. */
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { toHex } from '../encoding/bytes.ts'
import { EpioneError } from '../encoding/errors.ts'

const staffSchema = z.strictObject({
  version: z.literal(1),
  people: z
    .array(
      z.strictObject({
        key: z.string().regex(/^[0-9a-f]{64}$/, 'must be a signing key: 64 hexadecimal digits'),
        role: z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'must be lower-case words joined by hyphens'),
      }),
    )
    .max(100_000),
})

export interface Person {
  /** Ed25519 signing key, in hex. */
  readonly key: string
  /** Role in which the organisation vouches for this person, such as `physician`. */
  readonly role: string
}

/** Reads the list; none where the file does not exist. @throws EpioneError `config-invalid` */
export async function readStaff(path: string): Promise<Person[]> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
  try {
    return staffSchema.parse(JSON.parse(text)).people
  } catch (error) {
    throw new EpioneError('config-invalid', `The staff list ${path} is not valid.`, { cause: error })
  }
}

/** Writes the list whole, so that a reader never sees half of it. */
export async function writeStaff(path: string, people: readonly Person[]): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}.tmp`
  await writeFile(temporary, `${JSON.stringify(staffSchema.parse({ version: 1, people }), null, 2)}\n`, { mode: 0o600 })
  await rename(temporary, path)
}

/** The list as the node uses it: read again when the file changed, so that a change needs no restart. */
export class Staff {
  readonly #path: string
  #stamp = ''
  #roles = new Map<string, string>()

  constructor(path: string) {
    this.#path = path
  }

  /** The role that this key holds here, or undefined. @throws EpioneError `config-invalid`, in words that say nothing of this machine */
  async roleOf(key: Uint8Array): Promise<string | undefined> {
    const info = await stat(this.#path).catch(() => undefined)
    const stamp = info === undefined ? 'none' : `${info.mtimeMs}:${info.size}:${info.ino}`
    if (stamp !== this.#stamp) {
      const people = await readStaff(this.#path).catch((cause: unknown) => {
        throw new EpioneError('config-invalid', 'This node cannot read its list of staff; its operator has to mend it.', { cause })
      })
      this.#roles = new Map(people.map(person => [person.key, person.role]))
      this.#stamp = stamp
    }
    return this.#roles.get(toHex(key))
  }
}
