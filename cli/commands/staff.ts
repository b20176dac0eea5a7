/** `epione staff add | remove | list` */
import { join } from 'node:path'
import { decodeCard } from '../../src/client/identity.ts'
import { toHex } from '../../src/encoding/bytes.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { type Person, readStaff, writeStaff } from '../../src/node/staff.ts'
import { readCode } from '../codes.ts'
import type { Context } from '../context.ts'
import { homeOf } from '../home.ts'
import { table } from '../output.ts'

/** The list that the node of this home reads. */
export function staffPath(home: string): string {
  return join(home, 'staff.json')
}

function show(context: Context, people: readonly Person[]): void {
  const sorted = people.toSorted((a, b) => (a.key < b.key ? -1 : 1))
  context.output.result({ people: sorted }, () => table(sorted.map(person => [person.key, person.role])))
}

export async function staffList(context: Context): Promise<void> {
  show(context, await readStaff(staffPath(homeOf(context))))
}

export async function staffAdd(context: Context, options: { role?: string }, given: string): Promise<void> {
  const card = decodeCard(await readCode(context, given, 'epione-card:'))
  const key = toHex(card.signingKey)
  const role = options.role ?? card.role
  const path = staffPath(homeOf(context))
  const people = [...(await readStaff(path)).filter(person => person.key !== key), { key, role }]
  await writeStaff(path, people)
  show(context, people)
}

export async function staffRemove(context: Context, _options: object, key: string): Promise<void> {
  const path = staffPath(homeOf(context))
  const people = await readStaff(path)
  const left = people.filter(person => person.key !== key)
  if (left.length === people.length) throw new EpioneError('not-found', `the list has no key ${key}`)
  await writeStaff(path, left)
  show(context, left)
}
