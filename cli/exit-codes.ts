/** Exit codes of the program and the one table from error codes to them. */

export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  config: 3,
  unreachable: 4,
  unhealthy: 5,
  permission: 6,
  integrity: 7,
  interrupted: 130,
} as const

/** Any of the program's exit codes. */
export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** What each exit code means, for help and docs. */
export const EXIT_MEANING: readonly (readonly [ExitCode, string])[] = [
  [EXIT.ok, 'done'],
  [EXIT.failed, 'failed for a reason below no other code'],
  [EXIT.usage, 'wrong usage: unknown command or flag, bad argument'],
  [EXIT.config, 'settings or data folder invalid or in use, a port in use, or Node.js too old'],
  [EXIT.unreachable, 'no node could be reached'],
  [EXIT.unhealthy, 'the node or the network is not synced, has no quorum, or lacks custodians'],
  [EXIT.permission, 'key, passphrase or permission missing or wrong'],
  [EXIT.integrity, 'an integrity check failed: do not trust the data'],
  [EXIT.interrupted, 'interrupted'],
]

/** Error codes by the exit code that they end the program with; every other error code ends it with `failed`. */
const CODES_BY_EXIT: Readonly<Partial<Record<ExitCode, readonly string[]>>> = {
  [EXIT.usage]: [
    'unknown-command',
    'unknown-option',
    'missing-argument',
    'missing-option',
    'missing-value',
    'excess-arguments',
    'invalid-argument',
    'conflicting-option',
    'bad-card',
    'bad-share',
    'bad-enrolment',
    'bad-receipts',
    'bad-evidence',
    'bad-statement',
    'bad-end',
    'unknown-policy',
    'unknown-member',
    'ambiguous-member',
    'usage',
  ],
  [EXIT.config]: [
    'config-invalid',
    'wrong-chain',
    'other-chain',
    'genesis-invalid',
    'genesis-missing',
    'organisation-invalid',
    'home-missing',
    'home-exists',
    'home-locked',
    'bad-address',
    'port-in-use',
    'port-forbidden',
    'listen-failed',
    'testnet-exists',
    'testnet-missing',
    'node-version',
  ],
  [EXIT.unreachable]: ['unreachable', 'no-address', 'node-unreachable', 'not-running', 'timeout', 'connection-lost', 'busy'],
  [EXIT.unhealthy]: [
    'not-synced',
    'unhealthy',
    'behind',
    'stale',
    'unanchored',
    'no-quorum',
    'too-few-custodians',
    'too-few-receipts',
    'too-few-fragments',
    'not-committed',
    'future-header',
  ],
  [EXIT.permission]: [
    'passphrase-required',
    'passphrase-empty',
    'passphrase-mismatch',
    'passphrase-unreadable',
    'wrong-passphrase',
    'keystore-missing',
    'keystore-exists',
    'keystore-permissions',
    'wallet-missing',
    'recovery-keys-used-up',
    'phrase-required',
    'phrase-length',
    'phrase-word',
    'phrase-checksum',
    'phrase-same',
    'not-a-wallet',
    'not-an-identity',
    'not-member',
    'not-permitted',
    'refused',
    'not-sponsored',
    'not-staff',
    'not-validator',
    'unknown-author',
    'wrong-key',
    'key-missing',
  ],
  [EXIT.integrity]: [
    'malformed',
    'malformed-object',
    'malformed-dispersal',
    'keystore-corrupt',
    'store-corrupt',
    'folder-book-invalid',
    'wallet-state-invalid',
    'invalid-certificate',
    'invalid-header',
    'untrusted-validators',
    'invalid-proof',
    'bad-signature',
    'execution-differs',
    'decryption-failed',
    'receipts-do-not-hold',
    'unsealing-failed',
  ],
  [EXIT.interrupted]: ['interrupted', 'aborted'],
}

const EXIT_BY_CODE: ReadonlyMap<string, ExitCode> = new Map(
  Object.entries(CODES_BY_EXIT).flatMap(([exit, codes]) => codes.map(code => [code, Number(exit) as ExitCode] as const)),
)

/** The exit code that an error's stable code ends the program with. */
export function exitCodeOf(errorCode: string): ExitCode {
  return EXIT_BY_CODE.get(errorCode) ?? EXIT.failed
}
