/** Commits blocks to the store in the directory given, without end, and prints each height once it is acknowledged. */
import { writeSync } from 'node:fs'
import { openChainStore } from '../../src/ledger/chain-store.ts'
import { openLevelStore } from '../../src/ledger/level-store.ts'
import { genesis, nextBlock } from './chain-fixture.ts'

const chain = await openChainStore(await openLevelStore(process.argv[2] as string), genesis)
for (;;) {
  const height = chain.tip().header.height + 1
  await chain.commit(nextBlock(chain, { names: Array.from({ length: 40 }, (_, i) => `${height} ${i}`) }))
  writeSync(1, `${height}\n`)
}
