/** `npm run bench -- --light`: what a light peer has to fetch and to compute, from genesis to the tip of long chains, and for proofs of the state. */
import { join } from 'node:path'
import { TrustedHeaders } from '../../src/client/trust.ts'
import { genesisCodec } from '../../src/contracts/members-formats.ts'
import { toHex, u64 } from '../../src/encoding/bytes.ts'
import { taggedHash } from '../../src/encoding/hash.ts'
import { prefixProofCodec, proveKey, provePrefix, stateProofCodec, verifyKey, verifyPrefix } from '../../src/ledger/state-proof.ts'
import { StateTree } from '../../src/ledger/state-tree.ts'
import { commitResponseCodec } from '../../src/network/light-messages.ts'
import { bundle, type OpenPage, openPage } from '../browser/chromium.ts'
import { planGenesis, planTestnet } from '../launcher/plan.ts'
import { LightChain } from '../light-chain/chain.ts'
import { type Journey, verifyJourney } from '../light-chain/verify.ts'
import { percentile, type Row } from './table.ts'

const HEIGHTS = [10_000, 1_000_000] as const
const SETS = [
  { validators: 4, changes: 0 },
  { validators: 4, changes: 10 },
  { validators: 16, changes: 0 },
  { validators: 16, changes: 100 },
] as const
/** A million blocks a second apart are twelve days: within the trusting period. */
const STEP_MS = 1_000
const TIMES = 15
const LEAVES = [1_000, 100_000, 1_000_000] as const
/** A fixed time, so that a seed gives the same chain. */
const END_MS = Date.UTC(2026, 0, 1)

export async function measureLight(options: { seed: number; progress: (text: string) => void }): Promise<Row[]> {
  const { seed, progress } = options
  const rows: Row[] = []
  const script = await bundle(join(import.meta.dirname, '..', 'light-chain', 'page.ts'))
  const opened = await openPage(script.script)
  const page = 'reason' in opened ? null : opened
  if ('reason' in opened) progress(`no browser starts here: ${opened.reason}`)
  try {
    for (const heights of HEIGHTS) {
      for (const { validators, changes } of SETS) {
        const changeEvery = changes === 0 ? 0 : heights / changes
        progress(`${heights} heights, ${validators} validators${changeEvery === 0 ? '' : `, one replaced every ${changeEvery}`}`)
        rows.push(await fromGenesis({ seed, heights, validators, changeEvery }, page))
      }
    }
  } finally {
    await page?.[Symbol.asyncDispose]()
  }
  for (const leaves of LEAVES) {
    progress(`a state of ${leaves} leaves`)
    rows.push(...proofs(leaves, seed))
  }
  return rows
}

async function fromGenesis(
  options: { seed: number; heights: number; validators: number; changeEvery: number },
  page: OpenPage | null,
): Promise<Row> {
  const { heights, validators, changeEvery } = options
  const plan = planTestnet({ dir: '/', validators: Math.max(4, validators), full: 0, seed: options.seed, basePort: 12_000 })
  const madeMs = performance.now()
  const chain = new LightChain({ ...options, stepMs: STEP_MS, endMs: END_MS, genesis: planGenesis(plan, 0, 30_000) })
  const making = (performance.now() - madeMs) / 1000
  const journey = await record(chain, heights)
  const node = await repeat(async () => await verifyJourney(journey))
  const browser = page === null ? null : await repeat(async () => await inPage(page, journey))
  const bytes = journey.commits.reduce((sum, [, hex]) => sum + hex.length / 2, 0)
  const changes = changeEvery === 0 ? 'never changing' : `one replaced every ${changeEvery} heights`
  return {
    what: `from genesis to height ${heights}, ${validators} validators`,
    result: `${node.toFixed(1)} ms`,
    conditions: `${changes}; ${journey.commits.length} commits, ${(bytes / 1000).toFixed(1)} kB; in the browser ${browser === null ? 'not measured' : `${browser.toFixed(1)} ms`}; chain made in ${making.toFixed(1)} s`,
  }
}

/** Which commits it takes, found by verifying once. */
async function record(chain: LightChain, tip: number): Promise<Journey> {
  const commits = new Map<number, string>()
  const show = (height: number) => {
    const commit = chain.commit(height)
    commits.set(height, toHex(commitResponseCodec.encode(commit)))
    return commit
  }
  const nowMs = chain.header(tip).time
  await new TrustedHeaders({ genesis: chain.genesis, now: () => nowMs }).verify(show(tip), async height => show(height))
  return { genesis: toHex(genesisCodec.encode(chain.genesis)), tip, nowMs, commits: [...commits] }
}

async function inPage({ page }: OpenPage, journey: Journey): Promise<number> {
  await page.waitForFunction(() => document.title === 'ready')
  return await page.evaluate(async input => {
    const { verifyJourney } = globalThis as unknown as { verifyJourney: (journey: Journey) => Promise<number> }
    return await verifyJourney(input)
  }, journey)
}

async function repeat(act: () => Promise<number>): Promise<number> {
  const samples: number[] = []
  for (let i = 0; i < TIMES; i++) samples.push(await act())
  return percentile(samples, 0.5)
}

function proofs(leaves: number, seed: number): Row[] {
  const key = (i: number): Uint8Array => {
    const out = new Uint8Array(33)
    out[0] = 1 + (i % 7)
    out.set(taggedHash('bench-leaf', u64(seed), u64(i)), 1)
    return out
  }
  const value = new Uint8Array(100).fill(7)
  const tree = StateTree.empty().apply(Array.from({ length: leaves }, (_, i) => ({ key: key(i), value })))
  const { root } = tree
  const sample = (what: string, prove: (i: number) => Uint8Array, verify: (i: number, proof: Uint8Array) => void): Row => {
    const sizes: number[] = []
    const times: number[] = []
    for (let i = 0; i < 200; i++) {
      const at = Math.floor((i * leaves) / 200)
      const proof = prove(at)
      sizes.push(proof.length)
      const startMs = performance.now()
      verify(at, proof)
      times.push(performance.now() - startMs)
    }
    return {
      what: `${what}, ${leaves} leaves`,
      result: `${(percentile(sizes, 0.5) / 1000).toFixed(2)} kB`,
      conditions: `verified in ${percentile(times, 0.5).toFixed(2)} ms, p99 ${percentile(times, 0.99).toFixed(2)} ms`,
    }
  }
  const absent = (i: number): Uint8Array => key(leaves + i)
  const prefix = key(0).slice(0, leaves > 10_000 ? 3 : 1)
  return [
    sample(
      'proof that something is there',
      i => stateProofCodec.encode(proveKey(tree, key(i))),
      (i, proof) => {
        if (verifyKey(root, key(i), stateProofCodec.decode(proof)) === null) throw new Error('not there')
      },
    ),
    sample(
      'proof that something is not there',
      i => stateProofCodec.encode(proveKey(tree, absent(i))),
      (i, proof) => {
        if (verifyKey(root, absent(i), stateProofCodec.decode(proof)) !== null) throw new Error('there')
      },
    ),
    sample(
      'proof that a page is all there is',
      () => prefixProofCodec.encode(provePrefix(tree, prefix, { limit: 100 })),
      (_, proof) => void verifyPrefix(root, prefix, prefixProofCodec.decode(proof)),
    ),
  ]
}
