/** Verifying from genesis to a tip, as a light peer does it, over commits that lie ready; runs in Node and in a page. */
import { TrustedHeaders } from '../../src/client/trust.ts'
import { genesisCodec } from '../../src/contracts/members-formats.ts'
import { parseHex } from '../../src/encoding/bytes.ts'
import { type Commit, commitResponseCodec } from '../../src/network/light-messages.ts'

/** What it takes, as text that can be handed to a page. */
export interface Journey {
  genesis: string
  tip: number
  nowMs: number
  /** Commits by height, encoded as nodes send them. */
  commits: [height: number, hex: string][]
}

/** Verifies the tip, once; gives the time that it took, in ms. */
export async function verifyJourney({ genesis, tip, nowMs, commits }: Journey): Promise<number> {
  const bytes = new Map(commits.map(([height, hex]) => [height, parseHex(hex) as Uint8Array]))
  const document = genesisCodec.decode(parseHex(genesis) as Uint8Array)
  const commitAt = (height: number): Commit => {
    const found = bytes.get(height)
    if (found === undefined) throw new RangeError(`the journey has no commit of height ${height}`)
    return commitResponseCodec.decode(found)
  }
  const startMs = performance.now()
  const trust = new TrustedHeaders({ genesis: document, now: () => nowMs })
  await trust.verify(commitAt(tip), async height => commitAt(height))
  return performance.now() - startMs
}
