/**
 * Where a testnet's faults reach into a node: places in its sources, by their text, which a hook replaces when the module is loaded. The
 * node's sources know nothing of it. A test holds that each text stands there once.
 */

export interface Edit {
  /** In src, without the ending. */
  file: string
  find: string
  replace: string
}

/** What lies need; each asks `globalThis.epioneLies` (within/lies.ts), which does nothing while the node is honest. */
export const LIE_EDITS: readonly Edit[] = [
  {
    file: 'node/consensus-service',
    find: 'broadcast: bytes => channel.broadcast(bytes),',
    replace: 'broadcast: bytes => globalThis.epioneLies.broadcast(bytes, channel, { chainId: chain.chainId, key: this.#options.key }),',
  },
  {
    file: 'node/light-service',
    find: 'async () => await this.#answer(lightRequestCodec.decode(request), context))',
    replace:
      'async () => await globalThis.epioneLies.light(lightRequestCodec.decode(request), async asked => await this.#answer(asked, context)))',
  },
  {
    file: 'node/custodian/release',
    find: 'const ask = this.#ask(channel, first)',
    replace: 'globalThis.epioneLies.release()\n    const ask = this.#ask(channel, first)',
  },
  {
    file: 'node/custodian/release',
    find: "await send({ type: 'chunk', value: chunk })",
    replace: "await send({ type: 'chunk', value: globalThis.epioneLies.chunk(chunk) })",
  },
  {
    file: 'node/custodian/audit-responder',
    find: 'fingerprint: fingerprint(seed, leaf.dispersalRoot, chunk)',
    replace: 'fingerprint: fingerprint(seed, leaf.dispersalRoot, globalThis.epioneLies.chunk(chunk))',
  },
  {
    file: 'network/locate',
    find: 'datastore: boundedRecords(components.datastore, components.peerId.toString()),',
    replace:
      'datastore: globalThis.epioneLies.records(boundedRecords(components.datastore, components.peerId.toString()), () => connectionManager.getConnections().map(({ remotePeer }) => remotePeer).filter(member)),',
  },
]

/** A node that was built wrong on purpose: what tests take it for a scenario must find. */
export interface BrokenBuild {
  name: string
  /** What is wrong, in words. */
  about: string
  /** Scenario of the catalogue that finds it, and what its message says. */
  foundBy: { scenario: string; says: RegExp }
  edits: readonly Edit[]
}

export const BROKEN_BUILDS: readonly BrokenBuild[] = [
  {
    name: 'revocation-ignored',
    about: 'custodians release whatever became of the consent',
    foundBy: { scenario: 'revocation-race', says: /revoked consent was honoured|released a record at height/ },
    edits: [
      { file: 'contracts/release-decision', find: "if (consent.status !== 'active') return refused('consent-revoked')", replace: '' },
    ],
  },
  {
    name: 'half-is-a-quorum',
    about: 'half of the weight decides',
    foundBy: { scenario: 'no-quorum-no-progress', says: /Blocks were made without a quorum|different blocks at height/ },
    edits: [{ file: 'ledger/header', find: 'return 3 * power > 2 * total', replace: 'return 2 * power >= total' }],
  },
  {
    name: 'fragments-dropped',
    about: 'custodians sign for fragments that they do not keep',
    foundBy: { scenario: 'rolling-restart', says: /acknowledged records do not read|is not listed/ },
    edits: [
      {
        file: 'node/custodian/upload',
        find: 'await submissions.put(submissionRoot, submission, upload.versions)',
        replace: 'await submissions.put(submissionRoot, submission, [])',
      },
    ],
  },
  {
    name: 'clock-believed',
    about: 'a proposal of any time is timely',
    foundBy: { scenario: 'clock-skew', says: /a clock that is wrong was believed/ },
    edits: [
      {
        file: 'consensus/timeliness',
        find: 'export function isTimely(',
        replace: 'export function isTimely(..._: unknown[]): boolean {\n  return true\n}\n\nexport function wasTimely(',
      },
    ],
  },
  {
    name: 'break-glass-untold',
    about: 'custodians keep no receipt of what they release',
    foundBy: { scenario: 'break-glass-storm', says: /without who and why/ },
    edits: [
      {
        file: 'node/custodian/release',
        find: 'await desk.keepReceipt(ask.request.folder, receipt.time, releaseReceiptCodec.encode(receipt), signature, receipt)',
        replace: 'void signature',
      },
    ],
  },
]

export function brokenBuild(name: string): BrokenBuild | undefined {
  return BROKEN_BUILDS.find(each => each.name === name)
}
