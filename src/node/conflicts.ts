/** What light peers report of a forked chain: two commits of one height, each signed by a quorum. Checked, told to the operator, and turned into evidence. */
import { certificateEvidence } from '../consensus/evidence.ts'
import { equalBytes, toHex } from '../encoding/bytes.ts'
import { EpioneError, MalformedError } from '../encoding/errors.ts'
import { certificatePower, verifyCertificate } from '../ledger/certificate.ts'
import { accused, type Evidence } from '../ledger/evidence.ts'
import { headerHash, isMoreThanThird, totalPower, type ValidatorSet, validatorSetHash } from '../ledger/header.ts'
import type { Commit } from '../network/light-messages.ts'
import type { Chain } from './chain.ts'
import type { Directory } from './directory.ts'
import type { Logger } from './logger.ts'
import { validatorName } from './validator-status.ts'

/** Heights whose conflicts are remembered, the first of them: a chain with more has bigger troubles. */
const MAX_CONFLICTS = 16

/** A height at which two blocks were each signed by a quorum. */
export interface ConflictReport {
  height: number
  /** Hashes of the two, in hex. */
  blocks: readonly [string, string]
  /** Members whose validators signed both in one round; the rest of the third that lied did it over several. */
  accused: readonly string[]
}

export interface ConflictsDependencies {
  chain: Chain
  directory: Directory
  /** Takes what proves double signing to the ledger. */
  onEvidence: (evidence: Evidence) => void
  logger: Logger
}

export class Conflicts {
  readonly #deps: ConflictsDependencies
  readonly #known = new Map<number, ConflictReport>()

  constructor(dependencies: ConflictsDependencies) {
    this.#deps = dependencies
  }

  report(): readonly ConflictReport[] {
    return [...this.#known.values()]
  }

  /**
   * Takes a report, if it is true. What is known already costs nothing more.
   * @returns how many validators turned out to have signed both
   * @throws MalformedError where it is no conflict; EpioneError `behind` where this node does not know the height yet
   */
  async take(first: Commit, second: Commit): Promise<number> {
    const { chain, directory, logger, onEvidence } = this.#deps
    const { height } = first.header
    const known = this.#known.get(height)
    if (known !== undefined) return known.accused.length
    if (second.header.height !== height || equalBytes(headerHash(first.header), headerHash(second.header)))
      throw new MalformedError('the two commits are not of different blocks of one height')
    const validators = await this.#validatorsAt(height)
    for (const commit of [first, second]) this.#check(commit, validators)
    const evidence = certificateEvidence(certificateOf(first), certificateOf(second))
    const report: ConflictReport = {
      height,
      blocks: [toHex(headerHash(first.header)), toHex(headerHash(second.header))],
      accused: evidence.map(each => validatorName(directory, accused(each))),
    }
    if (this.#known.size < MAX_CONFLICTS) this.#known.set(height, report)
    logger.error(
      { height, blocks: report.blocks, chain: toHex(chain.chainId).slice(0, 8) },
      'two blocks of a height were each signed by a quorum',
    )
    for (const each of evidence) onEvidence(each)
    return report.accused.length
  }

  /** The validators of a height, as this node knows them by its own chain. */
  async #validatorsAt(height: number): Promise<ValidatorSet> {
    const { chain } = this.#deps
    if (height > chain.tip.header.height) throw new EpioneError('behind', `Height ${height} is not reached here yet.`)
    const header = height === chain.tip.header.height ? chain.tip.header : (await chain.store.header(height))?.header
    const set = header === undefined ? undefined : await chain.validatorSet(header.validatorsHash)
    if (set === undefined) throw new EpioneError('not-found', `The validators of height ${height} are not held here.`)
    return set
  }

  #check(commit: Commit, known: ValidatorSet): void {
    const { chain } = this.#deps
    const { header, validators } = commit
    const certificate = certificateOf(commit)
    if (!equalBytes(header.chainId, chain.chainId)) throw new MalformedError('a commit is of another chain')
    if (!equalBytes(validatorSetHash(validators), header.validatorsHash))
      throw new MalformedError('a commit names other validators than its header')
    const overlap = certificatePower(chain.chainId, certificate, known, { skipUnknown: true }) ?? 0
    // Anybody can make up validators and have them sign.
    if (!isMoreThanThird(overlap, totalPower(known))) throw new MalformedError('a commit was not signed by validators of this chain')
    try {
      verifyCertificate(header, certificate, validators)
    } catch {
      throw new MalformedError('a commit was not signed by a quorum')
    }
  }
}

function certificateOf({ certificate }: Commit): NonNullable<Commit['certificate']> {
  if (certificate === null) throw new MalformedError('a commit comes without a certificate')
  return certificate
}
