import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { voteEvidence } from '../../src/consensus/evidence.ts'
import { signVote } from '../../src/consensus/messages.ts'
import { evidenceBodyCodec, MAX_OFFENCES } from '../../src/contracts/evidence-formats.ts'
import { EpioneError } from '../../src/encoding/errors.ts'
import { type Evidence, offencePlace } from '../../src/ledger/evidence.ts'
import { decodeTransaction, type Transaction } from '../../src/ledger/transaction.ts'
import type { Chain } from '../../src/node/chain.ts'
import { Directory } from '../../src/node/directory.ts'
import { EvidenceService } from '../../src/node/evidence-service.ts'
import { eventually, genesisOf, nodeKeys, seedOf } from './cluster.ts'
import { certify, consensusKeys, nextCandidate, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('evidence service')
const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

function doubleVote(chain: Chain, index: number, height: number): Evidence {
  const key = nodeKeys(index).consensus
  const vote = (block: Uint8Array | null) =>
    signVote(chain.chainId, { kind: 'precommit', height, round: 0, block, validator: key.publicKey }, key)
  return voteEvidence(vote(null), vote(seedOf('block')))
}

/** A service of node `index` over a chain, with what it handed in. */
function serviceOf(chain: Chain, index: number, answer: () => Promise<Uint8Array> = async () => new Uint8Array(32)) {
  const handedIn: Transaction[] = []
  const { account, signing } = nodeKeys(index)
  const service = new EvidenceService(
    { account, accountKey: signing, retryMs: 5 },
    {
      chain,
      directory: new Directory(chain),
      transactions: {
        submit: async bytes => {
          handedIn.push(decodeTransaction(bytes))
          return await answer()
        },
      },
      logger: silent,
      now: () => chain.tip.header.time,
    },
  )
  service.start()
  return { service, handedIn, [Symbol.dispose]: () => service.stop() }
}

test('it reports an offence under its account, again while it is not on the ledger, and never once it is', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf())
  const { chain } = opened
  let refuses = true
  using node = serviceOf(chain, 0, async () => {
    if (refuses) throw new EpioneError('busy', 'The pool is full.')
    return new Uint8Array(32)
  })
  const { service, handedIn } = node
  const evidence = doubleVote(chain, 3, 7)
  service.add(evidence)
  service.add(evidence)
  assert.is(handedIn.length, 1)
  await eventually(() => handedIn.length >= 3, 'it tries again')
  refuses = false
  assert.is(new Set(handedIn.map(({ id }) => id.join())).size, 1, 'the same report, which the pool knows')
  const report = handedIn[0]!
  assert.equal(report.content.from, { kind: 'account', id: nodeKeys(0).account })
  assert.equal(offencePlace(evidenceBodyCodec.decode(report.content.body).evidence), { kind: 'precommit', height: 7, round: 0 })

  const candidate = nextCandidate(chain, [report])
  assert.is(candidate.receipts[0]?.code, 'ok')
  await chain.commit(candidate, certify(candidate.header, consensusKeys()))
  assert.is(service.waiting, 0)
  const count = handedIn.length
  service.add(evidence)
  assert.equal([service.waiting, handedIn.length], [0, count])
})

test('a report that was executed in vain is made anew', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf({}, { sponsorQuota: 1 }))
  const { chain } = opened
  using node = serviceOf(chain, 0)
  node.service.add(doubleVote(chain, 3, 7))
  node.service.add(doubleVote(chain, 3, 8))
  const [first, second] = node.handedIn as [Transaction, Transaction]
  const candidate = nextCandidate(chain, [first, second])
  assert.equal(
    candidate.receipts.map(({ code }) => code),
    ['ok', 'over-quota'],
  )
  await chain.commit(candidate, certify(candidate.header, consensusKeys()))
  assert.is(node.service.waiting, 1)
  const known = [first, second].map(({ id }) => id.join())
  const again = await eventually(() => node.handedIn.find(({ id }) => !known.includes(id.join())), 'another report')
  assert.is(offencePlace(evidenceBodyCodec.decode(again.content.body).evidence).height, 8)
})

test('it is bounded, passes over keys without a seat, and is silent where its organisation is no member', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf())
  const { chain } = opened
  using node = serviceOf(chain, 0)
  for (let height = 1; height <= 40; height++) node.service.add(doubleVote(chain, 3, height))
  assert.is(node.service.waiting, MAX_OFFENCES)
  node.service.add(doubleVote(chain, 2, 1))
  assert.is(node.service.waiting, MAX_OFFENCES + 1, 'one that signs at random crowds nobody out')
  node.service.add(doubleVote(chain, 5, 1))
  assert.is(node.service.waiting, MAX_OFFENCES + 1)

  using stranger = serviceOf(chain, 5)
  stranger.service.add(doubleVote(chain, 3, 1))
  assert.is(stranger.handedIn.length, 0)
})

test.run()
