/** Reports of a forked chain: what is taken, and what is made of it. */
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { toHex } from '../../src/encoding/bytes.ts'
import { accused, type Evidence } from '../../src/ledger/evidence.ts'
import { type Header, headerHash, validatorSetHash } from '../../src/ledger/header.ts'
import type { Commit } from '../../src/network/light-messages.ts'
import type { Chain } from '../../src/node/chain.ts'
import { Conflicts } from '../../src/node/conflicts.ts'
import { Directory } from '../../src/node/directory.ts'
import { setOf } from '../client/made-chain.ts'
import { rejectsCode } from '../encoding/throws.ts'
import { genesisOf, nodeKeys, seedOf } from './cluster.ts'
import { certify, consensusKeys, nextBlock, openTestChain, temporary } from './ledger-fixture.ts'

const test = suite('conflicts')

function conflictsOf(chain: Chain): { conflicts: Conflicts; evidence: Evidence[]; logged: string[] } {
  const evidence: Evidence[] = []
  const logged: string[] = []
  const silent = (): void => undefined
  const logger = { debug: silent, info: silent, warn: silent, error: (_: unknown, text?: string) => void logged.push(String(text)) }
  const conflicts = new Conflicts({ chain, directory: new Directory(chain), logger, onEvidence: each => void evidence.push(each) })
  return { conflicts, evidence, logged }
}

/** A commit for a header like the tip's but for its state, signed by some. */
function other(chain: Chain, signers = consensusKeys(), changes: Partial<Header> = {}, round = 0): Commit {
  const header = { ...chain.tip.header, stateRoot: seedOf('another state'), ...changes }
  return { header, certificate: certify(header, signers, round), validators: chain.tip.validators.current }
}

test('two blocks that a quorum signed: the operator is told, and who signed both is reported once', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf())
  const { chain } = opened
  await chain.accept(nextBlock(chain))
  const { header, certificate } = chain.tip
  const own: Commit = { header, certificate, validators: chain.tip.validators.current }
  const { conflicts, evidence, logged } = conflictsOf(chain)
  const signers = consensusKeys().slice(0, 3)
  const second = other(chain, signers)
  assert.is(await conflicts.take(own, second), 3)
  assert.equal(evidence.map(each => toHex(accused(each))).toSorted(), signers.map(({ publicKey }) => toHex(publicKey)).toSorted())
  assert.is(await conflicts.take(second, own), 3)
  assert.equal([evidence.length, logged.length], [3, 1])
  const [report] = conflicts.report()
  assert.equal([report?.height, report?.accused.length], [1, 3])
  assert.equal(report?.blocks, [toHex(headerHash(header)), toHex(headerHash(second.header))])
})

test('in different rounds it is a conflict that proves nothing against one of them', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf())
  const { chain } = opened
  await chain.accept(nextBlock(chain))
  const { conflicts, evidence } = conflictsOf(chain)
  const validators = chain.tip.validators.current
  const own: Commit = { header: chain.tip.header, certificate: chain.tip.certificate, validators }
  assert.is(await conflicts.take(own, other(chain, consensusKeys(), {}, 1)), 0)
  assert.equal([evidence, conflicts.report().length], [[], 1])
})

test('what is no conflict is refused, and nobody is told', async () => {
  using place = temporary()
  await using opened = await openTestChain(place.dir, genesisOf())
  const { chain } = opened
  await chain.accept(nextBlock(chain))
  const { conflicts, evidence, logged } = conflictsOf(chain)
  const validators = chain.tip.validators.current
  const own: Commit = { header: chain.tip.header, certificate: chain.tip.certificate, validators }
  const strangers = [20, 21, 22, 23].map(index => nodeKeys(index).consensus)
  const madeUp = setOf(strangers, 1)
  const byStrangers = other(chain, strangers, { validatorsHash: validatorSetHash(madeUp) })
  for (const wrong of [
    own,
    other(chain, consensusKeys().slice(0, 2)),
    other(chain, consensusKeys(), { height: 2 }),
    other(chain, consensusKeys(), { chainId: seedOf('another chain') }),
    { ...other(chain), certificate: null },
    { ...other(chain), validators: madeUp },
    { ...byStrangers, validators: madeUp },
    { ...other(chain), certificate: own.certificate },
  ]) {
    await rejectsCode(conflicts.take(own, wrong), 'malformed')
    await rejectsCode(conflicts.take(wrong, own), 'malformed')
  }
  const ahead = other(chain, consensusKeys(), { height: 9 })
  await rejectsCode(conflicts.take(ahead, other(chain, consensusKeys(), { height: 9, stateRoot: seedOf('a third') })), 'behind')
  assert.equal([conflicts.report(), evidence, logged], [[], [], []])
})

test.run()
