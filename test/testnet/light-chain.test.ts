/** The long chain that light verification is measured on is a chain: each header names its parent, its signatures hold, and what was changed is refused. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TrustedHeaders } from '../../src/client/trust.ts'
import { equalBytes } from '../../src/encoding/bytes.ts'
import { headerHash } from '../../src/ledger/header.ts'
import { planGenesis, planTestnet } from '../../testnet/launcher/plan.ts'
import { LightChain } from '../../testnet/light-chain/chain.ts'
import { rejectsCode } from '../encoding/throws.ts'

const test = suite('light chain')
const END_MS = Date.UTC(2026, 0, 1)

function chainOf(seed: number): LightChain {
  const plan = planTestnet({ dir: '/', validators: 4, full: 0, seed, basePort: 12_000 })
  return new LightChain({
    seed,
    heights: 600,
    validators: 4,
    changeEvery: 50,
    stepMs: 1_000,
    endMs: END_MS,
    genesis: planGenesis(plan, 0, 30_000),
  })
}

test('it hangs together, is the same for the same seed, and is verified from genesis over changes of its validators', async () => {
  const [chain, again, other] = [chainOf(1), chainOf(1), chainOf(2)]
  for (let height = 1; height <= chain.tip; height += 7) {
    assert.ok(equalBytes(chain.header(height).parent, headerHash(chain.header(height - 1))))
  }
  assert.ok(equalBytes(headerHash(chain.header(600)), headerHash(again.header(600))))
  assert.not.ok(equalBytes(headerHash(chain.header(600)), headerHash(other.header(600))))
  const trust = new TrustedHeaders({ genesis: chain.genesis, now: () => END_MS })
  let asked = 0
  const header = await trust.verify(chain.commit(600), async height => {
    asked++
    return chain.commit(height)
  })
  assert.is(header.height, 600)
  assert.is(header.time, END_MS)
  assert.ok(asked > 0 && asked < 60, `${asked} headers between`)
})

test('a changed header and a foreign signer are refused', async () => {
  const chain = chainOf(1)
  const fetch = async (height: number) => chain.commit(height)
  const trust = (): TrustedHeaders => new TrustedHeaders({ genesis: chain.genesis, now: () => END_MS })
  const commit = chain.commit(40)
  await rejectsCode(
    trust().verify({ ...commit, header: { ...commit.header, stateRoot: new Uint8Array(32) } }, fetch),
    'invalid-certificate',
  )
  const foreign = chainOf(2).commit(40)
  await rejectsCode(
    trust().verify({ ...foreign, header: { ...foreign.header, chainId: chain.header(0).chainId } }, fetch),
    'invalid-certificate',
  )
})

test.run()
