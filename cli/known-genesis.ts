/** The genesis document by which something is checked offline. */
import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { Genesis } from '../src/contracts/members-formats.ts'
import { readGenesis } from '../src/node/genesis-file.ts'
import { homePaths } from '../src/node/home.ts'
import type { Context } from './context.ts'
import { homeOf } from './home.ts'

/** The genesis document that is named, or that of the home; null where there is none. */
export async function knownGenesis(context: Context, genesis: string | undefined): Promise<Genesis | null> {
  if (genesis !== undefined) return await readGenesis(resolve(genesis))
  const path = homePaths(homeOf(context)).genesis
  const there = await access(path).then(
    () => true,
    () => false,
  )
  return there ? await readGenesis(path) : null
}
