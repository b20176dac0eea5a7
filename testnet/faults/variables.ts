/** Environment names by which the launcher tells a node's process of faults; nothing of the published node reads them. */

/** JSON of pairs: port of another node, port of the proxy that leads there. */
export const LINKS_VARIABLE = 'TESTNET_LINKS'

/** Path of the file with a node's faults, see {@link ./node-faults.ts}. */
export const FAULTS_VARIABLE = 'TESTNET_FAULTS'

/** Name of a broken build (edits.ts) that every node is: for tests of what finds such. */
export const BROKEN_VARIABLE = 'TESTNET_BROKEN'
